// The work, away from the page: it finds faces, hears voices and runs the model. The page calls it by messages
// { id, method, argument } and gets { id, result } or { id, error }.
// The page starts it from an address of its own (blob:), so that the page's policy holds here, too.

import { openNets } from "./faces.js";
import { EmotionModel, configure, load, openSession } from "./model.js";
import { Prediction } from "./prediction.js";

const at = (path) => new URL(`../${path}`, import.meta.url);
const canvas = new OffscreenCanvas(1, 1),
  pen = canvas.getContext("2d", { willReadFrequently: true });
let nets = null,
  about = null,
  prediction = null;

const methods = {
  // Load everything that the page needs; after this, nothing is loaded any more -> about.json.
  async open() {
    about = await (await load(at("model/about.json"))).json();
    const [ort, vision] = await Promise.all([
      import(at("vendor/onnxruntime-web/ort.wasm.min.mjs")),
      import(at("vendor/tasks-vision/vision_bundle.mjs")),
    ]);
    configure(ort, at("vendor/onnxruntime-web/"));
    const faces = await openNets(vision, {
      wasmLoaderPath: at("vendor/tasks-vision/wasm/vision_wasm_module_internal.js"),
      wasmBinaryPath: at("vendor/tasks-vision/wasm/vision_wasm_module_internal.wasm"),
      detector: at("model/face_detector.tflite"),
      landmarker: at("model/face_landmarker.task"),
    });
    // One after the other: ONNX Runtime opens one at a time.
    const model = new EmotionModel(ort, await openSession(ort, at("model/model.onnx")));
    const voice = { ort, session: await openSession(ort, at("model/voice_activity.onnx")) };
    const landmarks = { ort, session: await openSession(ort, at("model/face_landmarks.onnx")) };
    nets = { faces, landmarks, voice, model };
    return about;
  },
  start(settings) {
    prediction = new Prediction(nets, about, settings);
  },
  sound: (samples) => prediction.addSound(samples),
  between: ({ bitmap, timeS }) => prediction.addPictureBetween(read(bitmap), timeS),
  moment: ({ bitmap, count }) => prediction.addMoment(bitmap && read(bitmap), count),
  async finish(endS) {
    const windows = await prediction.finish(endS);
    return { windows, coverages: prediction.coverages };
  },
};

// The pixels of a picture.
function read(bitmap) {
  const { width, height } = bitmap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  return pen.getImageData(0, 0, width, height);
}

// One call at a time, in their order.
let last = Promise.resolve();
self.onmessage = ({ data: { id, method, argument } }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ id, result: await methods[method](argument) });
    } catch (error) {
      self.postMessage({ id, error: String(error?.message ?? error) });
    }
  });
};
