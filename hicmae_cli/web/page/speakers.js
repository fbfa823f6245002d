// Find who speaks, as hicmae_cli/speaking/ does: Silero's net hears voices, lips are read 25 times a second, and the
// movement of each mouth is compared with the level of the sound. One voice has one mouth.

import { boxIou } from "./boxes.js";
import { readLandmarks } from "./landmarks.js";
import { SAMPLE_RATE_HZ } from "./model.js";

const FRAME_SAMPLES = 512;
export const FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ;
const CONTEXT_SAMPLES = 64;
const VOICE_PROBABILITY = 0.5;
const BAND_HZ = [200, 4000];
const QUIET_DB = -100;

// Smallest share of a window's time with a voice for which the window has one.
const MIN_VOICE = 0.1;
// Time before and after a window that helps to decide who speaks in it.
export const CONTEXT_S = 0.64;
// Mouths are read in pictures this close to a voice.
const REACH_S = 1;
const MAX_MOUTHS = 8;
const MIN_PICTURES_PER_S = 8;
const MAX_GAP_S = 0.1;

const START_SYNC = 0.5;
const KEEP_SYNC = 0.4;
const NO_SYNC = 0.35;
const MARGIN = 0.15;

// Frames by which the sound may come after the movement: -64 to 160 ms.
const LAGS = [-2, -1, 0, 1, 2, 3, 4, 5];
const MIN_SHARE = 0.5;
const DRIFT_FRAMES = Math.round(2 / FRAME_S);
const RANGE_DB = 30;

const UPPER_LIP = [37, 0, 267];
const LOWER_LIP = [84, 17, 314];
const HEIGHT = [10, 152];
const WIDTH = [234, 454];
const SAME_PLACE_IOU = 0.3;

const sum = (values) => values.reduce((total, v) => total + v, 0);
const mean = (values) => sum(values) / values.length;

// Whether the voice of a window is taken for a person's: the speaker's, or that of the only one who may speak.
export function isVoiceOf({ voice, speakers }, track) {
  if (voice < MIN_VOICE) return false;
  const answer = speakers.get(track);
  if (answer === undefined || answer === "yes") return true;
  return answer === "unsure" && [...speakers].every(([each, other]) => each === track || other === "no");
}

// Hears voices and reads mouths.
export class SpeakerFinder {
  // nets: { voice, landmarks }, each { ort, session }.
  constructor({ voice, landmarks }) {
    this.voice = new VoiceMeter(voice);
    this.landmarks = landmarks;
    this.readings = new Map();
    this.between = [];
    this.before = new Map();
    this.last = new Map();
    // The openings in the last picture by track, and its number.
    this.openings = new Map();
    this.number = 0;
  }

  // Hear a sound that has grown to `samples`.
  listen(samples) {
    return this.voice.listen(samples);
  }

  // Add a picture in which no faces were searched. A picture that stays on display keeps its number.
  addPicture(picture, number, timeS) {
    this.between.push({ picture, number, timeS });
  }

  // Add a picture with its faces by track, largest first; the sound must have been heard until 1 s later.
  async addFaces(number, timeS, faces) {
    const between = this.between.splice(0),
      nearest = [...faces].slice(0, MAX_MOUTHS);
    if (this.voice.measureShare(timeS - REACH_S, timeS + REACH_S) > 0) {
      const openings = new Map(nearest.map(([track, face]) => [track, measureOpening(face.landmarks)]));
      const paths = nearest
        .map(([track, face]) => [track, this.before.get(track), face])
        .filter(([, before, now]) => before && boxIou(before.box, now.box) > SAME_PLACE_IOU);
      for (const [i, each] of between.entries()) {
        const found =
          each.number === number
            ? openings
            : each.number === this.number
              ? this.openings
              : await this.#readMouths(each.picture, paths, (i + 1) / (between.length + 1));
        this.#note(
          paths.map(([track]) => track),
          found,
          each,
        );
      }
      this.#note(openings.keys(), openings, { number, timeS });
    }
    this.before = new Map(faces);
  }

  // Read the mouths of a picture `share` of the way between two pictures in which the faces are known. A region that
  // moves smoothly from the one to the other gives smoother landmarks than a search.
  async #readMouths(picture, paths, share) {
    const found = new Map();
    for (const [track, before, now] of paths) {
      const expected = now.landmarks.map((v, i) => (1 - share) * before.landmarks[i] + share * v);
      const landmarks = await readLandmarks(this.landmarks, picture, expected);
      if (landmarks) found.set(track, measureOpening(landmarks));
    }
    return found;
  }

  #note(tracks, openings, { number, timeS }) {
    Object.assign(this, { openings, number });
    for (const track of tracks) {
      if (!openings.has(track)) continue;
      if (!this.readings.has(track)) this.readings.set(track, []);
      this.readings.get(track).push({ timeS, opening: openings.get(track), picture: number });
    }
  }

  // Decide who speaks in a window -> { voice, speakers: track -> yes, no or unsure }; windows come in order of time.
  judge(startS, endS, tracks) {
    const sinceS = Math.max(0, startS - CONTEXT_S),
      voice = this.voice.measureShare(startS, endS);
    if (voice < MIN_VOICE) {
      this.last = new Map();
      return { voice, speakers: new Map(tracks.map((track) => [track, "no"])) };
    }
    const first = Math.round(sinceS / FRAME_S),
      last = Math.round((endS + CONTEXT_S) / FRAME_S);
    const levels = this.voice.cutLevels(first, last);
    const times = levels.map((_, i) => (first + i + 0.5) * FRAME_S);
    const syncs = new Map(
      tracks.map((track) => {
        const readings = (this.readings.get(track) ?? []).filter(({ timeS }) => timeS >= sinceS);
        this.readings.set(track, readings);
        return [track, compare(readings, times, levels)];
      }),
    );
    this.last = decide(syncs, this.last);
    return { voice, speakers: this.last };
  }
}

// Decide who speaks -> track -> yes, no or unsure. `last` has the answers of the last window.
export function decide(syncs, last) {
  const answers = new Map(
    [...syncs].map(([track, sync]) => {
      if (sync === null) return [track, "unsure"];
      const rivals = [...syncs].filter(([each, other]) => each !== track && other !== null).map(([, other]) => other);
      const enough = last.get(track) === "yes" ? KEEP_SYNC : START_SYNC;
      if (sync >= enough && sync - Math.max(-1, ...rivals) >= MARGIN) return [track, "yes"];
      return [track, sync < NO_SYNC ? "no" : "unsure"];
    }),
  );
  const isFound = [...answers.values()].includes("yes");
  return isFound ? new Map([...answers].map(([track, a]) => [track, a === "yes" ? a : "no"])) : answers;
}

// Height of the lips relative to the face's size. `landmarks` has x0 y0 x1 y1 ...
export function measureOpening(landmarks) {
  const distance = (i, j) =>
    Math.hypot(landmarks[2 * i] - landmarks[2 * j], landmarks[2 * i + 1] - landmarks[2 * j + 1]);
  const lips = mean(UPPER_LIP.map((upper, i) => distance(upper, LOWER_LIP[i])));
  return lips / Math.sqrt(Math.max(distance(...HEIGHT) * distance(...WIDTH), 1e-6));
}

// How well a mouth fits the sound; null if it could not be followed.
export function compare(readings, times, levels) {
  const known = readings.filter(({ timeS }) => timeS <= times[times.length - 1] + MAX_GAP_S);
  if (known.length < 2) return null;
  let after = 1;
  const openings = times.map((time) => {
    while (after < known.length - 1 && known[after].timeS < time) after++;
    const [first, second] = [known[after - 1], known[after]];
    if (time < first.timeS || time > second.timeS || second.timeS - first.timeS > MAX_GAP_S + 1e-9) return NaN;
    const share = (time - first.timeS) / (second.timeS - first.timeS);
    return (1 - share) * first.opening + share * second.opening;
  });
  const sync = measureSync(openings, levels),
    seconds = openings.filter(Number.isFinite).length * FRAME_S;
  const pictures = new Set(known.map(({ picture }) => picture)).size;
  return sync !== null && sync < START_SYNC && pictures < MIN_PICTURES_PER_S * seconds ? null : sync;
}

// The highest correlation of a mouth's opening (NaN where unknown) and the level of the sound, over some lags.
export function measureSync(openings, levels) {
  const known = openings.map(Number.isFinite);
  if (openings.length < 2 * LAGS.length || mean(known.map(Number)) < MIN_SHARE) return null;
  const quietest = quantile(levels, 0.95) - RANGE_DB;
  const level = removeDrift(
    levels.map((v) => Math.max(v, quietest)),
    levels.map(() => 1),
  );
  const mouth = removeDrift(
    openings.map((v, i) => (known[i] ? v : 0)),
    known.map(Number),
  );
  return Math.max(...LAGS.map((lag) => correlate(mouth, level, known, lag)));
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b),
    at = share * (sorted.length - 1),
    low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

// Subtract the moving mean with some weights.
function removeDrift(values, weights) {
  const half = Math.floor(Math.min(DRIFT_FRAMES, values.length) / 2);
  return values.map((value, i) => {
    let total = 0,
      count = 0;
    for (let j = Math.max(0, i - half); j <= Math.min(values.length - 1, i + half); j++) {
      total += values[j] * weights[j];
      count += weights[j];
    }
    return value - total / Math.max(count, 1);
  });
}

// Correlate the movement with the sound `lag` frames later, where the movement is known.
function correlate(mouth, level, known, lag) {
  const ahead = Math.max(0, lag),
    behind = Math.max(0, -lag),
    first = [],
    second = [];
  for (let i = 0; i < mouth.length - Math.abs(lag); i++)
    if (known[behind + i]) {
      first.push(mouth[behind + i]);
      second.push(level[ahead + i]);
    }
  const [meanFirst, meanSecond] = [mean(first), mean(second)];
  let product = 0,
    a = 0,
    b = 0;
  first.forEach((v, i) => {
    product += (v - meanFirst) * (second[i] - meanSecond);
    a += (v - meanFirst) ** 2;
    b += (second[i] - meanSecond) ** 2;
  });
  const norm = Math.sqrt(a * b);
  return norm > 1e-6 ? product / norm : 0;
}

// Where a sound has a voice and how loud it is, in frames of 32 ms.
class VoiceMeter {
  constructor({ ort, session }) {
    Object.assign(this, { ort, session });
    this.probabilities = [];
    this.levels = [];
    const state = () => new ort.Tensor("float32", new Float32Array(128), [1, 1, 128]);
    [this.hidden, this.cell] = [state(), state()];
  }

  async listen(samples) {
    const BATCH = 1024,
      first = this.levels.length,
      whole = Math.floor(samples.length / FRAME_SAMPLES);
    for (let start = first; start < whole; start += BATCH) {
      const count = Math.min(BATCH, whole - start),
        width = CONTEXT_SAMPLES + FRAME_SAMPLES;
      const input = new Float32Array(count * width);
      for (let i = 0; i < count; i++) {
        const from = (start + i) * FRAME_SAMPLES,
          part = samples.subarray(Math.max(0, from - CONTEXT_SAMPLES), from + FRAME_SAMPLES);
        input.set(part, (i + 1) * width - part.length);
        this.levels.push(measureLevel(samples.subarray(from, from + FRAME_SAMPLES)));
      }
      const found = await this.session.run({
        input: new this.ort.Tensor("float32", input, [count, width]),
        h: this.hidden,
        c: this.cell,
      });
      this.probabilities.push(...found.speech_probs.data);
      [this.hidden, this.cell] = [found.hn, found.cn];
    }
  }

  // Share of a time, 0 to 1, that has a voice.
  measureShare(startS, endS) {
    const first = Math.round(startS / FRAME_S),
      last = Math.round(endS / FRAME_S);
    let voiced = 0;
    for (let i = Math.max(0, first); i < Math.min(last, this.probabilities.length); i++)
      voiced += this.probabilities[i] > VOICE_PROBABILITY;
    return last > first ? voiced / (last - first) : 0;
  }

  cutLevels(first, last) {
    return Array.from({ length: Math.max(0, last - first) }, (_, i) => this.levels[first + i] ?? QUIET_DB);
  }
}

const HANN = Float32Array.from(
  { length: FRAME_SAMPLES },
  (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (FRAME_SAMPLES - 1)),
);

// The level of 512 samples in the voice's band, in decibels of full scale.
export function measureLevel(samples) {
  const real = samples.map((v, i) => v * HANN[i]),
    imaginary = new Float32Array(FRAME_SAMPLES);
  transform(real, imaginary);
  const [low, high] = BAND_HZ.map((hz) => Math.round(hz * FRAME_S));
  let power = 0;
  for (let i = low; i < high; i++) power += real[i] ** 2 + imaginary[i] ** 2;
  return Math.max(10 * Math.log10(power / FRAME_SAMPLES ** 2 + 1e-12), QUIET_DB);
}

// The fast Fourier transform of a power of two, in place (Cooley and Tukey 1965).
function transform(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [real[i], real[j], imaginary[i], imaginary[j]] = [real[j], real[i], imaginary[j], imaginary[i]];
  }
  for (let half = 1; half < size; half *= 2)
    for (let k = 0; k < half; k++) {
      const [c, s] = [Math.cos((-Math.PI * k) / half), Math.sin((-Math.PI * k) / half)];
      for (let i = k; i < size; i += 2 * half) {
        const j = i + half,
          x = c * real[j] - s * imaginary[j],
          y = c * imaginary[j] + s * real[j];
        [real[j], imaginary[j], real[i], imaginary[i]] = [real[i] - x, imaginary[i] - y, real[i] + x, imaginary[i] + y];
      }
    }
}
