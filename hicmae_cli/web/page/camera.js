// Watch a camera and its microphone until the user stops: the same moments as of a file, at their own pace. Where this
// device is too slow, a picture stands for several moments.

import { SAMPLE_RATE_HZ } from "./model.js";
import { grabNow } from "./video.js";

// Longest part of the recording that is kept.
const LONGEST_S = 600;

let context = null,
  recorder = null;

// Load the script that records a microphone, when the page opens: after that, nothing is loaded any more.
export async function loadRecorder() {
  // Without https there is no microphone.
  if (!navigator.mediaDevices) return;
  context = new AudioContext({ sampleRate: SAMPLE_RATE_HZ });
  await context.audioWorklet.addModule("app/recorder.js");
  recorder = new AudioWorkletNode(context, "recorder", {
    numberOfOutputs: 0,
    channelCount: 1,
    channelCountMode: "explicit",
  });
  await context.suspend();
}

export async function watchCamera(call, about, element, settings, on, signal) {
  const sees = about.modality !== "audio",
    stream = await openCamera(sees, about.modality !== "video");
  let microphone = null;
  Object.assign(element, { srcObject: stream, muted: true, hidden: !sees, controls: false });
  try {
    await element.play();
    microphone = await listen(stream);
    await call("start", microphone.hasSound ? settings : { ...settings, sound: "shared" });
    const begin = performance.now(),
      stepS = about.step_s;
    let moment = 0;
    const now = () => (performance.now() - begin) / 1000;
    while (!signal.aborted && now() < LONGEST_S) {
      const dueS = moment * stepS;
      if (now() < dueS) await new Promise((resolve) => setTimeout(resolve, 1000 * (dueS - now())));
      const sound = microphone.take();
      if (sound.length) await call("sound", sound, [sound.buffer]);
      // Moments that have passed meanwhile get this picture, too.
      const count = Math.max(1, Math.floor(now() / stepS) + 1 - moment),
        bitmap = sees ? await grabNow(element) : null;
      on.windows(await call("moment", { bitmap, count }, bitmap ? [bitmap] : []));
      moment += count;
      on.progress(moment * stepS, 0);
    }
    const endS = moment * stepS,
      { windows, coverages } = await call("finish", endS);
    on.windows(windows);
    const { videoWidth, videoHeight: height } = element;
    return { name: "camera", durationS: endS, width: sees ? videoWidth : 0, height, hasSound: microphone.hasSound, coverages };
  } finally {
    microphone?.close();
    for (const track of stream.getTracks()) track.stop();
    Object.assign(element, { srcObject: null, hidden: true });
  }
}

// Ask for the streams that the model uses, and for no other.
async function openCamera(sees, hears) {
  const device = sees ? "camera" : "microphone";
  if (!navigator.mediaDevices) throw new Error(`The ${device} needs https, or a server on this machine (localhost).`);
  const video = sees && { width: { ideal: 640 }, height: { ideal: 480 } };
  try {
    return await navigator.mediaDevices.getUserMedia({
      video,
      audio: hears && { echoCancellation: false, noiseSuppression: false },
    });
  } catch (error) {
    if (error.name === "NotAllowedError") throw new Error(`The browser was not allowed to use the ${device}.`);
    if (error.name === "NotFoundError") {
      if (!sees) throw new Error("No microphone was found.");
      // A camera without a microphone.
      return navigator.mediaDevices.getUserMedia({ video }).catch(() => {
        throw new Error("No camera was found.");
      });
    }
    throw error;
  }
}

// Collect the sound of a stream at 16 kHz.
async function listen(stream) {
  if (!stream.getAudioTracks().length) return { take: () => new Float32Array(), close() {}, hasSound: false };
  await context.resume();
  const source = context.createMediaStreamSource(stream);
  let blocks = [];
  recorder.port.onmessage = ({ data }) => blocks.push(data);
  source.connect(recorder);
  return {
    take() {
      const joined = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
      let at = 0;
      for (const block of blocks) {
        joined.set(block, at);
        at += block.length;
      }
      blocks = [];
      return joined;
    },
    close() {
      source.disconnect();
      context.suspend();
    },
    hasSound: true,
  };
}
