// Read a file in the page: its pictures by seeking a video element, its sound as 16 kHz mono.

import { DECODED_HZ, resample } from "./resampling.js";

// A frame this early counts as on time, because containers round time to a millisecond.
const TOLERANCE_S = 1e-3;
// Longest side of a picture; larger ones are shrunk.
const MAX_SIDE_PX = 4096;
// The sound is decoded in memory.
const MAX_BYTES = 2 ** 31 - 1;
const WAIT_MS = 15000;
// How long a picture may appear after its seek.
const LATE_MS = 40;

export class UnreadableError extends Error {}

// Open a file in a video element -> { durationS, firstS, width, height }; width is 0 if it has no pictures.
export async function openVideo(element, file) {
  closeVideo(element);
  element.src = URL.createObjectURL(file);
  try {
    await event(element, "loadeddata");
  } catch {
    throw new UnreadableError(
      `${file.name}: this browser cannot play it. MP4 (H.264, AAC) and WebM work in most browsers.`,
    );
  }
  // Recordings of a browser do not say how long they are until their end was read.
  if (!Number.isFinite(element.duration)) await seek(element, 1e7);
  const durationS = Number.isFinite(element.duration) ? element.duration : element.currentTime;
  const { videoWidth: width, videoHeight: height } = element;
  const firstS = width ? await findFirst(element) : 0;
  return { durationS, firstS, width, height };
}

export function closeVideo(element) {
  if (element.src) URL.revokeObjectURL(element.src);
  element.removeAttribute("src");
  element.load();
}

// The picture that is on display at a time, as a bitmap for the worker.
export async function grab(element, timeS) {
  const before = readTimestamp(element),
    { stop, shown } = watch(element);
  await seek(element, timeS + TOLERANCE_S);
  // A busy browser reports the end of a seek before it shows the picture; but no new picture may be due.
  if (readTimestamp(element) === before) await Promise.race([shown, sleep(LATE_MS)]);
  stop();
  return grabNow(element);
}

// The time that the picture on display has in the file; null if this browser does not tell.
function readTimestamp(element) {
  if (typeof VideoFrame === "undefined") return null;
  const frame = new VideoFrame(element),
    { timestamp } = frame;
  frame.close();
  return timestamp;
}

// Watch for the next picture.
function watch(element) {
  if (!("requestVideoFrameCallback" in element)) return { stop() {}, shown: sleep(LATE_MS) };
  let handle;
  const shown = new Promise((resolve) => {
    handle = element.requestVideoFrameCallback(resolve);
  });
  return { stop: () => element.cancelVideoFrameCallback(handle), shown };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function grabNow(element) {
  const { videoWidth: width, videoHeight: height } = element,
    scale = MAX_SIDE_PX / Math.max(width, height);
  const size = scale < 1 ? { resizeWidth: Math.round(scale * width), resizeHeight: Math.round(scale * height) } : {};
  return createImageBitmap(element, size);
}

// The sound of a file (n,); null if it has none. Its time 0 is that of the file.
export async function readSound(file) {
  if (file.size > MAX_BYTES) return null;
  try {
    const decoder = new OfflineAudioContext(1, 1, DECODED_HZ);
    return resample(mix(await decoder.decodeAudioData(await file.arrayBuffer())));
  } catch {
    return null;
  }
}

// The mean of the channels.
function mix(buffer) {
  const mono = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++)
    buffer.getChannelData(channel).forEach((v, i) => {
      mono[i] += v / buffer.numberOfChannels;
    });
  return mono;
}

async function seek(element, timeS) {
  if (Math.abs(element.currentTime - timeS) < 1e-6 && !element.seeking) return;
  const done = event(element, "seeked");
  element.currentTime = timeS;
  await done;
}

// When the first picture appears, which is time 0 of the result.
async function findFirst(element) {
  await seek(element, 0);
  if (!("requestVideoFrameCallback" in element)) return 0;
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(0), 500);
    element.requestVideoFrameCallback((_, { mediaTime }) => {
      clearTimeout(late);
      resolve(mediaTime);
    });
    // A callback comes only with a new picture.
    element.currentTime = 1e-5;
  });
}

function event(element, name) {
  return new Promise((resolve, reject) => {
    const stop = new AbortController(),
      { signal } = stop;
    const end = (finish) => (cause) => {
      clearTimeout(late);
      stop.abort();
      finish(cause);
    };
    const late = setTimeout(end(reject), WAIT_MS, new Error(`the browser did not report "${name}" in ${WAIT_MS} ms`));
    element.addEventListener(name, end(resolve), { signal });
    element.addEventListener("error", end(reject), { signal });
  });
}
