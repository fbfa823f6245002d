// Watch a camera and its microphone until the user stops: the same moments as of a file, at their own pace. Where this
// device is too slow, a picture stands for several moments.

import { grabNow } from "./video.js";

// Longest part of the recording that is kept.
const LONGEST_S = 600;

export async function watchCamera(call, about, element, settings, on, signal) {
  const stream = await openCamera();
  Object.assign(element, { srcObject: stream, muted: true, hidden: false, controls: false });
  try {
    await element.play();
    const microphone = await listen(stream);
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
        bitmap = await grabNow(element);
      on.windows(await call("moment", { bitmap, count }, [bitmap]));
      moment += count;
      on.progress(moment * stepS, 0);
    }
    microphone.close();
    const endS = moment * stepS,
      { windows, coverages } = await call("finish", endS);
    on.windows(windows);
    const { videoWidth: width, videoHeight: height } = element;
    return { name: "camera", durationS: endS, width, height, hasSound: microphone.hasSound, coverages };
  } finally {
    for (const track of stream.getTracks()) track.stop();
    Object.assign(element, { srcObject: null, hidden: true });
  }
}

async function openCamera() {
  if (!navigator.mediaDevices) throw new Error("The camera needs https, or a server on this machine (localhost).");
  const video = { width: { ideal: 640 }, height: { ideal: 480 } };
  try {
    return await navigator.mediaDevices.getUserMedia({
      video,
      audio: { echoCancellation: false, noiseSuppression: false },
    });
  } catch (error) {
    if (error.name === "NotAllowedError") throw new Error("The browser was not allowed to use the camera.");
    if (error.name === "NotFoundError") {
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
  const context = new AudioContext({ sampleRate: 16000 });
  await context.audioWorklet.addModule("app/recorder.js");
  const recorder = new AudioWorkletNode(context, "recorder", {
    numberOfOutputs: 0,
    channelCount: 1,
    channelCountMode: "explicit",
  });
  let blocks = [];
  recorder.port.onmessage = ({ data }) => blocks.push(data);
  context.createMediaStreamSource(stream).connect(recorder);
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
    close: () => context.close(),
    hasSound: true,
  };
}
