// Boxes and parts of a picture, as in hicmae_cli/faces/crops.py and detector.py.
// A box is [left, top, right, bottom] in pixels; a crop is one in whole pixels, its right and bottom exclusive.

const MIN_CROP_PX = 160;
// Step between squares, as a share of the side.
const STRIDE = 0.65;
const SAME_FACE_IOU = 0.3;

// Intersection over union, 0 to 1.
export function boxIou(first, second) {
  const width = Math.min(first[2], second[2]) - Math.max(first[0], second[0]);
  const height = Math.min(first[3], second[3]) - Math.max(first[1], second[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(first) + area(second) - width * height);
}

// The whole picture, and squares of its height or width: for faces of an eighth of the shorter side.
export function makeCoarseCrops(widthPx, heightPx) {
  const side = Math.min(widthPx, heightPx),
    whole = [0, 0, widthPx, heightPx];
  if (side < MIN_CROP_PX || Math.max(widthPx, heightPx) < 1.15 * side) return [whole];
  return [whole, ...squares(widthPx, heightPx, side)];
}

// Squares of a half and a third of the shorter side: for faces of a 24th of it.
export function makeFineCrops(widthPx, heightPx) {
  const sides = [2, 3].map((parts) => Math.floor(Math.min(widthPx, heightPx) / parts));
  return sides.filter((side) => side >= MIN_CROP_PX).flatMap((side) => squares(widthPx, heightPx, side));
}

// The square around a box, `times` its longer side, clipped to the picture.
export function cropAround(box, times, widthPx, heightPx) {
  const half = (Math.max(box[2] - box[0], box[3] - box[1]) * times) / 2;
  const x = (box[0] + box[2]) / 2,
    y = (box[1] + box[3]) / 2;
  const crop = [
    Math.max(0, Math.trunc(x - half)),
    Math.max(0, Math.trunc(y - half)),
    Math.min(widthPx, Math.trunc(x + half) + 1),
    Math.min(heightPx, Math.trunc(y + half) + 1),
  ];
  return crop[2] > crop[0] && crop[3] > crop[1] ? crop : [0, 0, widthPx, heightPx];
}

// Keep the box with the best score among boxes that overlap -> boxes, widest first. `found` has [score, box].
export function suppressOverlaps(found) {
  const kept = [];
  for (const [, box] of [...found].sort((a, b) => b[0] - a[0]))
    if (kept.every((other) => boxIou(box, other) < SAME_FACE_IOU)) kept.push(box);
  return kept.sort((a, b) => b[2] - b[0] - (a[2] - a[0]));
}

// Whether a box touches an edge of its crop that is not an edge of the picture: part of the face may be missing.
export function touchesInnerEdge(box, crop, widthPx, heightPx) {
  return (
    (box[0] <= crop[0] && crop[0] > 0) ||
    (box[1] <= crop[1] && crop[1] > 0) ||
    (box[2] >= crop[2] && crop[2] < widthPx) ||
    (box[3] >= crop[3] && crop[3] < heightPx)
  );
}

// The box around landmarks, x0 y0 x1 y1 ... in pixels.
export function boxOf(landmarks) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < landmarks.length; i += 2) {
    box[0] = Math.min(box[0], landmarks[i]);
    box[1] = Math.min(box[1], landmarks[i + 1]);
    box[2] = Math.max(box[2], landmarks[i]);
    box[3] = Math.max(box[3], landmarks[i + 1]);
  }
  return box;
}

export const sizeOf = (box) => Math.max(box[2] - box[0], box[3] - box[1]);

function squares(widthPx, heightPx, sidePx) {
  return starts(heightPx, sidePx).flatMap((y) => starts(widthPx, sidePx).map((x) => [x, y, x + sidePx, y + sidePx]));
}

// Evenly spaced starts of pieces that cover a length and overlap by at least a third.
function starts(lengthPx, sidePx) {
  const spare = lengthPx - sidePx,
    steps = Math.ceil(spare / Math.max(1, Math.trunc(sidePx * STRIDE)));
  return steps ? Array.from({ length: steps + 1 }, (_, i) => roundHalfToEven((i * spare) / steps)) : [0];
}

// As Python rounds.
function roundHalfToEven(x) {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor % 2) : Math.round(x);
}
