// Find the faces of a picture and their landmarks with MediaPipe's nets, as hicmae_cli/faces/detector.py does: the
// detector, which misses small faces, also searches squares of the picture; the landmarks are read in a close crop
// around each face. A face of the last picture is read around its place there; the whole picture is searched every
// 0.48 s, and while a face is missing.

import {
  boxIou,
  boxOf,
  cropAround,
  makeCoarseCrops,
  makeFineCrops,
  sizeOf,
  suppressOverlaps,
  touchesInnerEdge,
} from "./boxes.js";

const SEARCH_S = 0.48;
const SWEEP_S = 3.2;
const CLOSE_CROP_SCALE = 2.5;
const SAME_FACE_IOU = 0.3;
const MIN_OVERLAP = 0.1;
// The detector's box of a face from that of its landmarks, as means over docs/assets/speech_sample.mp4: its side, and
// how far its middle is below, both as shares of the landmarks' longer side.
const DETECTED_SIDE = 0.92;
const DETECTED_BELOW = 0.08;

// Load MediaPipe's detector and landmark reader. The addresses are those of the files beside this page.
export async function openNets(vision, { wasmLoaderPath, wasmBinaryPath, detector, landmarker }) {
  const files = { wasmLoaderPath: wasmLoaderPath.href, wasmBinaryPath: wasmBinaryPath.href };
  // MediaPipe takes it from here for each net, and finds it missing for the second one.
  const { default: factory } = await import(wasmLoaderPath);
  self.ModuleFactory = factory;
  const search = await vision.FaceDetector.createFromOptions(files, {
    baseOptions: { modelAssetPath: detector.href, delegate: "CPU" },
    runningMode: "IMAGE",
    minDetectionConfidence: 0.5,
  });
  self.ModuleFactory = factory;
  const reader = await vision.FaceLandmarker.createFromOptions(files, {
    baseOptions: { modelAssetPath: landmarker.href, delegate: "CPU" },
    runningMode: "IMAGE",
    numFaces: 2,
    minFaceDetectionConfidence: 0.6,
    minFacePresenceConfidence: 0.7,
  });
  return { search, reader };
}

// Finds faces, picture after picture of one video. A face is { landmarks, box }, largest first.
export class FaceFinder {
  constructor(nets, mostFaces) {
    this.nets = nets;
    this.mostFaces = mostFaces;
    this.faces = [];
    this.lastSearchS = -Infinity;
    this.lastSweepS = -Infinity;
  }

  find(picture, timeS) {
    const followed = this.#keepLargest(
      this.faces.map((face) => this.read(picture, guessDetected(face.box))),
      [],
    );
    const isLost = followed.length < this.faces.length;
    if (isLost || !followed.length || timeS - this.lastSearchS >= SEARCH_S - 1e-6)
      this.faces = this.#search(picture, timeS, followed);
    else this.faces = followed;
    return this.faces;
  }

  #search(picture, timeS, followed) {
    const { width, height } = picture;
    this.lastSearchS = timeS;
    const crops = makeCoarseCrops(width, height);
    if (timeS - this.lastSweepS >= SWEEP_S - 1e-6) {
      this.lastSweepS = timeS;
      crops.push(...makeFineCrops(width, height));
    }
    const boxes = suppressOverlaps(crops.flatMap((crop) => this.#detect(picture, crop)));
    const isNew = (box) => followed.every((face) => boxIou(box, face.box) < SAME_FACE_IOU);
    const read = boxes
      .filter(isNew)
      .slice(0, this.mostFaces)
      .map((box) => this.read(picture, box));
    return this.#keepLargest(read, followed);
  }

  #keepLargest(faces, known) {
    const kept = [...known];
    for (const face of faces)
      if (face && kept.every((other) => boxIou(face.box, other.box) < SAME_FACE_IOU)) kept.push(face);
    return kept.sort((a, b) => sizeOf(b.box) - sizeOf(a.box)).slice(0, this.mostFaces);
  }

  // Find the faces that are completely inside a crop -> [score, box] of each.
  #detect(picture, crop) {
    const { detections } = this.nets.search.detect(cutOut(picture, crop));
    return detections
      .map(({ boundingBox: b, categories: [{ score }] }) => {
        const [left, top] = [crop[0] + b.originX, crop[1] + b.originY];
        return [score, [left, top, left + b.width, top + b.height]];
      })
      .filter(([, box]) => !touchesInnerEdge(box, crop, picture.width, picture.height));
  }

  // Read the landmarks of the face in a box from a close crop around it; null if there is none.
  read(picture, box) {
    const crop = cropAround(box, CLOSE_CROP_SCALE, picture.width, picture.height);
    const [width, height] = [crop[2] - crop[0], crop[3] - crop[1]];
    const faces = this.nets.reader.detect(cutOut(picture, crop)).faceLandmarks.map((points) => {
      const landmarks = new Float32Array(2 * points.length);
      points.forEach(({ x, y }, i) => {
        // The nets' origin is the corner of a pixel, ours is its centre.
        landmarks[2 * i] = crop[0] + x * width - 0.5;
        landmarks[2 * i + 1] = crop[1] + y * height - 0.5;
      });
      return { landmarks, box: boxOf(landmarks) };
    });
    const best = faces.sort((a, b) => boxIou(b.box, box) - boxIou(a.box, box))[0];
    return best && boxIou(best.box, box) > MIN_OVERLAP ? best : null;
  }
}

// Where the detector sees the face of some landmarks: the landmarks depend a little on the crop around it.
function guessDetected(box) {
  const size = sizeOf(box),
    x = (box[0] + box[2]) / 2,
    y = (box[1] + box[3]) / 2 + DETECTED_BELOW * size;
  const half = (DETECTED_SIDE * size) / 2;
  return [x - half, y - half, x + half, y + half];
}

function cutOut({ data, width, height }, [left, top, right, bottom]) {
  if (left === 0 && top === 0 && right === width && bottom === height) return new ImageData(data, width, height);
  const part = new ImageData(right - left, bottom - top);
  for (let y = top; y < bottom; y++)
    part.data.set(data.subarray(4 * (y * width + left), 4 * (y * width + right)), 4 * (y - top) * (right - left));
  return part;
}
