// Predict one input, picture by picture, as hicmae_cli/runtime/reading.py and predictor.py do.

import { alignFace } from "./alignment.js";
import { FaceFinder } from "./faces.js";
import { PeopleLinker } from "./linker.js";
import { SAMPLE_RATE_HZ, cutSound } from "./model.js";
import { CONTEXT_S, SpeakerFinder, isVoiceOf } from "./speakers.js";
import { CLIP_FRAMES, WindowAssembler, windowTimes } from "./windows.js";

// The track of the sound where nobody is in view.
export const VOICE_TRACK = 0;

export class Prediction {
  // nets: { faces, landmarks, voice, model }; settings: { mostFaces, sound: "speaker" or "shared" }.
  constructor(nets, about, settings) {
    Object.assign(this, { nets, about, settings });
    this.stepS = about.step_s;
    this.finder = new FaceFinder(nets.faces, settings.mostFaces);
    this.linker = new PeopleLinker();
    this.assembler = new WindowAssembler(about.hop_frames);
    this.speakers = settings.sound === "speaker" ? new SpeakerFinder(nets) : null;
    this.sound = new Sound();
    this.pending = [];
    this.faces = new Map();
    // The picture on display and its number; the number of the one in which faces were searched last.
    this.shown = null;
    this.number = 0;
    this.searched = 0;
  }

  // Add sound that follows the last one, 16 kHz mono.
  async addSound(samples) {
    this.sound.add(samples);
    await this.speakers?.listen(this.sound.samples);
  }

  // Add a picture between two moments, in which only mouths are read.
  addPictureBetween(picture, timeS) {
    this.speakers?.addPicture(picture, this.#count(picture), timeS);
  }

  // Add the picture of the next moment; null stands for a moment without one -> the windows that are decided now.
  // A camera's picture may stand for several moments: then only the newest window is decided, to keep up.
  async addMoment(picture, count = 1) {
    const timeS = this.assembler.count * this.stepS;
    if (picture) await this.#look(picture, timeS);
    else this.faces = new Map();
    for (let i = 0; i < count; i++) this.pending.push(...this.assembler.add(this.faces));
    const waitS = this.speakers ? CONTEXT_S : 0;
    const ready = this.pending.filter((window) => this.#restS(window) >= waitS - 1e-6);
    this.pending = this.pending.slice(ready.length);
    const decided = [];
    for (const window of count > 1 ? ready.slice(-1) : ready) decided.push(...(await this.#predict(window, Infinity)));
    return decided;
  }

  // The input has ended -> the last windows. `endS` is its length.
  async finish(endS) {
    this.pending.push(...this.assembler.finish());
    const decided = [];
    for (const window of this.pending.splice(0)) decided.push(...(await this.#predict(window, endS)));
    return decided;
  }

  // Share of the moments with each person.
  get coverages() {
    return Object.fromEntries([...this.assembler.tallies].map(([track, n]) => [track, n / this.assembler.count]));
  }

  #restS(window) {
    return (this.assembler.count - window.start - window.moments) * this.stepS;
  }

  // A picture that equals the one before it stays on display: results for that one are still valid -> its number.
  #count(picture) {
    if (!isSame(this.shown, picture)) this.number++;
    this.shown = picture;
    return this.number;
  }

  async #look(picture, timeS) {
    const number = this.#count(picture);
    if (number !== this.searched) {
      const found = this.finder.find(picture, timeS),
        ids = this.linker.update(picture, found, timeS);
      this.faces = new Map(
        found.map((face, i) => [ids[i], { ...face, crop: alignFace(picture, face.landmarks, this.about.template) }]),
      );
      this.searched = number;
    }
    await this.speakers?.addFaces(number, timeS, this.faces);
    this.faces = new Map([...this.faces].map(([track, face]) => [track, { ...face, timeS }]));
  }

  // Run the model on everybody in a window, or on the sound alone.
  async #predict(window, endOfInputS) {
    const [startS, endS] = windowTimes(window, this.stepS, endOfInputS);
    const hearing =
      this.speakers?.judge(
        startS,
        endS,
        window.people.map(({ track }) => track),
      ) ?? null;
    const trainedS = CLIP_FRAMES * this.stepS;
    const sound = cutSound(this.sound.samples, startS, Math.min(endS, startS + trainedS));
    const people = window.people.length ? window.people : [{ track: VOICE_TRACK, sampled: null, coverage: 0 }];
    const decided = [];
    for (const { track, sampled, coverage } of people) {
      const own = hearing === null || isVoiceOf(hearing, track) ? sound : null;
      if (!sampled && !own) continue;
      const { scores, modality } = await this.nets.model.run(sampled, own);
      const boxes = (sampled ?? [])
        .slice(0, window.moments)
        .filter(Boolean)
        .map((f) => [f.timeS, ...toSides(f.box)]);
      decided.push({
        track,
        startS,
        endS,
        scores,
        coverage,
        modality,
        boxes,
        voice: hearing?.voice ?? null,
        speaker: hearing?.speakers.get(track) ?? null,
      });
    }
    return decided;
  }
}

// A sound that grows; its samples are one array.
class Sound {
  #held = new Float32Array(SAMPLE_RATE_HZ * 16);
  #length = 0;

  add(samples) {
    while (this.#length + samples.length > this.#held.length) {
      const larger = new Float32Array(2 * this.#held.length);
      larger.set(this.#held);
      this.#held = larger;
    }
    this.#held.set(samples, this.#length);
    this.#length += samples.length;
  }

  get samples() {
    return this.#held.subarray(0, this.#length);
  }
}

const toSides = ([left, top, right, bottom]) => [left, top, right - left, bottom - top];

// Whether two pictures are equal, byte for byte.
function isSame(first, second) {
  if (first?.width !== second.width || first.height !== second.height) return false;
  const [a, b] = [first, second].map(({ data }) => new Uint32Array(data.buffer, data.byteOffset, data.length / 4));
  return a.every((v, i) => v === b[i]);
}
