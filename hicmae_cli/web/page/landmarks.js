// Read the landmarks of a known face again without a search, with the net of MediaPipe's face_landmarker.task as ONNX
// (hicmae_cli/faces/nets.py): MediaPipe's own task always searches first.

import { cutOut } from "./alignment.js";
import { boxOf, sizeOf } from "./boxes.js";

const READ_PX = 256;
// Side of the region, relative to the face.
const REGION_SCALE = 1.5;
const MIN_PRESENCE = 0.5;
const LEFT_IRIS = 468;
const RIGHT_IRIS = 473;

// Read a face near its `landmarks` of a picture shortly before or after -> its landmarks x0 y0 x1 y1 ..., or null.
export async function readLandmarks({ ort, session }, picture, landmarks) {
  const toPicture = buildRegion(landmarks);
  const pixels = Uint8Array.from(cutOut(picture, toPicture, READ_PX, true));
  const found = await session.run({ pictures: new ort.Tensor("uint8", pixels, [1, READ_PX, READ_PX, 3]) });
  if (1 / (1 + Math.exp(-found.presence.data[0])) <= MIN_PRESENCE) return null;
  const points = found.landmarks.data,
    [a, b, c, d, e, f] = toPicture;
  return Float32Array.from({ length: landmarks.length }, (_, i) => {
    const x = points[3 * (i >> 1)],
      y = points[3 * (i >> 1) + 1];
    return i % 2 ? d * x + e * y + f : a * x + b * y + c;
  });
}

// The transform from an upright square around a face to the picture.
export function buildRegion(landmarks) {
  const box = boxOf(landmarks),
    scale = (sizeOf(box) * REGION_SCALE) / READ_PX;
  const angle = Math.atan2(
    landmarks[2 * RIGHT_IRIS + 1] - landmarks[2 * LEFT_IRIS + 1],
    landmarks[2 * RIGHT_IRIS] - landmarks[2 * LEFT_IRIS],
  );
  const [cos, sin] = [scale * Math.cos(angle), scale * Math.sin(angle)];
  // The middle, from a pixel's centre to its corner.
  const x = (box[0] + box[2]) / 2 + 0.5,
    y = (box[1] + box[3]) / 2 + 0.5,
    half = READ_PX / 2;
  return [cos, -sin, x - (cos - sin) * half, sin, cos, y - (sin + cos) * half];
}
