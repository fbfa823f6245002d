// Read a file to its end and predict it: what happens in the page while the worker works.

import { UnreadableError, closeVideo, grab, openVideo, readSound } from "./video.js";
import { SAMPLE_RATE_HZ } from "./model.js";

// Longest time between two pictures in which mouths are read.
const MOUTH_STEP_S = 0.05;

// Predict a file -> { name, durationS, width, height, hasSound, coverages }.
// call: see calls.js; on: { progress(doneS, totalS), windows(list) }; signal ends it early.
export async function predictFile(call, about, file, element, settings, on, signal) {
  const video = await openVideo(element, file);
  try {
    const sound = about.modality === "video" ? null : await readSound(file);
    const width = about.modality === "audio" ? 0 : video.width;
    if (!width && !sound)
      throw new UnreadableError(`${file.name}: has nothing that this browser can decode and this model can judge.`);
    const durationS = width ? video.durationS - video.firstS : sound.length / SAMPLE_RATE_HZ;
    // Without sound, nobody speaks.
    await call("start", sound ? settings : { ...settings, sound: "shared" });
    if (sound) {
      // On the clock of the pictures.
      const moved = sound.slice(Math.round(video.firstS * SAMPLE_RATE_HZ));
      await call("sound", moved, [moved.buffer]);
    }
    const reader = { call, element, startS: video.firstS, hasPictures: width > 0 };
    const readsMouths = sound && width && settings.sound === "speaker";
    await readMoments(reader, durationS, about.step_s, readsMouths, on, signal);
    const { windows, coverages } = await call("finish", durationS);
    on.windows(windows);
    return { name: file.name, durationS, width, height: video.height, hasSound: Boolean(sound), coverages };
  } finally {
    closeVideo(element);
  }
}

async function readMoments({ call, element, startS, hasPictures }, durationS, stepS, readsMouths, on, signal) {
  const count = Math.max(1, Math.ceil((durationS - 1e-3) / stepS - 1e-9));
  const every = readsMouths ? Math.ceil(stepS / MOUTH_STEP_S - 1e-6) : 1;
  // While the worker looks at one picture, the next one is sought.
  let waiting = Promise.resolve([]);
  for (let i = 0; i < count * every; i++) {
    signal.throwIfAborted();
    const timeS = (i * stepS) / every,
      bitmap = hasPictures ? await grab(element, startS + timeS) : null;
    const transfer = bitmap ? [bitmap] : [];
    on.windows(await waiting);
    if (i % every) {
      waiting = call("between", { bitmap, timeS }, transfer).then(() => []);
    } else {
      on.progress(timeS, durationS);
      waiting = call("moment", { bitmap, count: 1 }, transfer);
    }
  }
  on.windows(await waiting);
}
