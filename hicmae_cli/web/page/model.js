// The emotion model in ONNX Runtime. Its graph takes aligned faces and sound as they are: the normalisation of the
// pictures and the log-mel spectrogram are inside.

import { CLIP_FRAMES } from "./windows.js";
import { FACE_PX } from "./alignment.js";

export const SAMPLE_RATE_HZ = 16000;
// One step of 16-bit sound; a window below it is digital silence.
const SILENCE_PEAK = 1 / 32768;
// Fewer samples than 25 ms give no spectrum.
const MIN_SAMPLES = 400;

// Configure ONNX Runtime: its files are beside this page, and threads need a page that is isolated (COOP, COEP).
export function configure(ort, folder) {
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = folder.href;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
}

// Get a file that is beside this page.
export async function load(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address.pathname}: cannot be read (HTTP ${answer.status})`);
  return answer;
}

export async function openSession(ort, address) {
  const bytes = await (await load(address)).arrayBuffer();
  return ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] });
}

// The samples between two times; null if there are too few or they are silent.
export function cutSound(sound, startS, endS) {
  const cut = sound.subarray(Math.round(startS * SAMPLE_RATE_HZ), Math.round(endS * SAMPLE_RATE_HZ));
  return cut.length >= MIN_SAMPLES && cut.some((v) => Math.abs(v) >= SILENCE_PEAK) ? cut : null;
}

export class EmotionModel {
  constructor(ort, session) {
    Object.assign(this, { ort, session });
  }

  // Run the model on one person in one window -> { scores, modality }: a probability or value for each label.
  // `sampled` has the 16 faces of a person, null where there is none; it is null for the sound alone.
  async run(sampled, sound) {
    const { Tensor } = this.ort;
    const faces = new Uint8Array(CLIP_FRAMES * FACE_PX * FACE_PX * 3);
    sampled?.forEach((face, i) => face && faces.set(face.crop, i * FACE_PX * FACE_PX * 3));
    const modality = sampled ? (sound ? "av" : "video") : "audio";
    // The graph needs some sound even where it is told to withhold it.
    const samples = sound ?? new Float32Array(MIN_SAMPLES);
    const inputs = {
      faces: new Tensor("uint8", faces, [1, CLIP_FRAMES, FACE_PX, FACE_PX, 3]),
      sound: new Tensor("float32", Float32Array.from(samples), [1, samples.length]),
      use_faces: new Tensor("bool", [Boolean(sampled)], [1]),
      use_sound: new Tensor("bool", [Boolean(sound)], [1]),
    };
    const outputs = await this.session.run(inputs);
    const scores = Array.from((outputs.probabilities ?? outputs.values).data);
    if (!scores.every(Number.isFinite)) throw new Error("the model's output is not finite: its weights are damaged");
    return { scores, modality };
  }
}
