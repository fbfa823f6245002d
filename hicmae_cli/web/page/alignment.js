// Align a face as in the model's training data, as hicmae_cli/faces/align.py does: a similarity transform maps 68
// landmarks to their mean places (face_template.json); the face is warped to 256 px, then shrunk to 160 px.
// A matrix is [a, b, c, d, e, f] of x' = a x + b y + c, y' = d x + e y + f; (0, 0) is the first pixel's centre.
// A picture is { data, width, height } with red, green, blue and alpha, as ImageData.

export const FACE_PX = 160;
export const WARP_PX = 256;
// A bilinear warp reads 2 x 2 pixels: it may halve a picture, not more.
const SHRINK_BELOW = 0.5;
// OpenCV's bilinear warp knows 32 places between two pixels.
const PLACES = 32;

const clamp = (place, size) => Math.min(size - 1, Math.max(0, place));

// The transform from a picture to a crop of `sizePx`. `landmarks` has x0 y0 x1 y1 ... of 478 points.
export function fitAlignment(landmarks, template, sizePx = WARP_PX) {
  if (landmarks.length !== 2 * 478) throw new Error(`expected 478 landmarks, got ${landmarks.length / 2}`);
  const from = template.mediapipe_indices.map((i) => [landmarks[2 * i], landmarks[2 * i + 1]]);
  // Scaled about pixel centres, so that every size shows the same part.
  const to = template.points_160.map((point) => point.map((v) => (v + 0.5) * (sizePx / FACE_PX) - 0.5));
  return fitSimilarity(from, to);
}

// The least-squares similarity transform without reflection from points to points.
export function fitSimilarity(from, to) {
  const mean = (points, axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [fromX, fromY, toX, toY] = [mean(from, 0), mean(from, 1), mean(to, 0), mean(to, 1)];
  let power = 0,
    real = 0,
    imaginary = 0;
  from.forEach(([x, y], i) => {
    const [u, v, s, t] = [x - fromX, y - fromY, to[i][0] - toX, to[i][1] - toY];
    power += u * u + v * v;
    real += u * s + v * t;
    imaginary += u * t - v * s;
  });
  if (!(power >= 1e-12)) throw new Error("expected different landmarks, got equal ones only");
  const a = real / power,
    b = imaginary / power;
  return [a, -b, toX - a * fromX + b * fromY, b, a, toY - b * fromX - a * fromY];
}

// Cut out one face -> size x size x 3 bytes, red green blue. Pixels outside the picture are black.
export function alignFace(picture, landmarks, template, sizePx = FACE_PX) {
  const warpPx = Math.max(WARP_PX, sizePx);
  return warpFace(picture, fitAlignment(landmarks, template, warpPx), sizePx, warpPx);
}

export function warpFace(picture, matrix, sizePx = FACE_PX, warpPx = WARP_PX) {
  const scale = Math.hypot(matrix[0], matrix[3]);
  const [source, toCrop] = scale < SHRINK_BELOW ? shrinkFace(picture, matrix, scale, warpPx) : [picture, matrix];
  return shrinkByArea(cutOut(source, invert(toCrop), warpPx), warpPx, warpPx, sizePx, sizePx, 3);
}

function invert([a, b, c, d, e, f]) {
  const det = a * e - b * d;
  return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
}

// Cut a square out of a picture, bilinear -> size x size x 3. `toPicture` maps its pixels to the picture's. What is
// outside the picture is black, or the colour of its edge if `isExtended`.
export function cutOut({ data, width, height }, [a, b, c, d, e, f], size, isExtended = false) {
  const out = new Uint8ClampedArray(size * size * 3),
    sums = [0, 0, 0];
  const add = (column, row, share) => {
    const isInside = column >= 0 && row >= 0 && column < width && row < height;
    if (!share || !(isInside || isExtended)) return;
    const place = 4 * (clamp(row, height) * width + clamp(column, width));
    sums[0] += share * data[place];
    sums[1] += share * data[place + 1];
    sums[2] += share * data[place + 2];
  };
  for (let y = 0, at = 0; y < size; y++) {
    for (let x = 0; x < size; x++, at += 3) {
      const sx = Math.round((a * x + b * y + c) * PLACES),
        sy = Math.round((d * x + e * y + f) * PLACES);
      const left = Math.floor(sx / PLACES),
        top = Math.floor(sy / PLACES);
      const u = sx / PLACES - left,
        v = sy / PLACES - top;
      sums.fill(0);
      add(left, top, (1 - u) * (1 - v));
      add(left + 1, top, u * (1 - v));
      add(left, top + 1, (1 - u) * v);
      add(left + 1, top + 1, u * v);
      out.set(sums, at);
    }
  }
  return out;
}

// Cut out the part of a picture that the crop shows, and shrink it by a whole factor -> the part, and its transform.
function shrinkFace(picture, matrix, scale, warpPx) {
  const factor = Math.max(1, Math.trunc(1 / scale)),
    margin = 2 * factor;
  const [a, b, c, d, e, f] = invert(matrix);
  const corners = [
    [-1, -1],
    [warpPx, -1],
    [-1, warpPx],
    [warpPx, warpPx],
  ];
  const xs = corners.map(([x, y]) => a * x + b * y + c),
    ys = corners.map(([x, y]) => d * x + e * y + f);
  const left = Math.max(0, Math.floor(Math.min(...xs)) - margin),
    top = Math.max(0, Math.floor(Math.min(...ys)) - margin);
  const right = Math.min(picture.width, Math.max(0, Math.ceil(Math.max(...xs)) + margin));
  const bottom = Math.min(picture.height, Math.max(0, Math.ceil(Math.max(...ys)) + margin));
  if (right <= left || bottom <= top) return [{ data: new Uint8ClampedArray(4), width: 1, height: 1 }, matrix];
  const columns = Math.ceil((right - left) / factor),
    rows = Math.ceil((bottom - top) / factor);
  // The last row and column are repeated up to a whole factor.
  const padded = new Uint8ClampedArray(4 * columns * factor * rows * factor);
  for (let y = 0, at = 0; y < rows * factor; y++) {
    const row = Math.min(top + y, bottom - 1) * picture.width;
    for (let x = 0; x < columns * factor; x++, at += 4) {
      const place = 4 * (row + Math.min(left + x, right - 1));
      for (let channel = 0; channel < 4; channel++) padded[at + channel] = picture.data[place + channel];
    }
  }
  const small = shrinkByArea(padded, columns * factor, rows * factor, columns, rows, 4);
  // Pixel x of the small picture has its centre at factor * (x + 0.5) - 0.5 + left of the large one.
  const [offsetX, offsetY] = [left + (factor - 1) / 2, top + (factor - 1) / 2];
  const [p, q, r, s, t, w] = matrix;
  const toCrop = [
    p * factor,
    q * factor,
    p * offsetX + q * offsetY + r,
    s * factor,
    t * factor,
    s * offsetX + t * offsetY + w,
  ];
  return [{ data: small, width: columns, height: rows }, toCrop];
}

// Shrink pixels of `channels` bytes: each new pixel is the mean of the area that it covers.
export function shrinkByArea(data, width, height, newWidth, newHeight, channels) {
  if (width === newWidth && height === newHeight) return data;
  const acrossAll = coverage(width, newWidth),
    downAll = coverage(height, newHeight);
  const narrow = new Float32Array(newWidth * height * channels);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < newWidth; x++)
      for (const [from, share] of acrossAll[x])
        for (let c = 0; c < channels; c++)
          narrow[(y * newWidth + x) * channels + c] += share * data[(y * width + from) * channels + c];
  const sums = new Float32Array(newWidth * newHeight * channels),
    line = newWidth * channels;
  for (let y = 0; y < newHeight; y++)
    for (const [from, share] of downAll[y])
      for (let i = 0; i < line; i++) sums[y * line + i] += share * narrow[from * line + i];
  return Uint8ClampedArray.from(sums);
}

// For each new pixel, the old ones that it covers and their shares.
function coverage(size, newSize) {
  const scale = size / newSize;
  return Array.from({ length: newSize }, (_, i) => {
    const start = i * scale,
      end = Math.min(size, start + scale),
      parts = [];
    for (let from = Math.floor(start + 1e-9); from < end - 1e-9; from++)
      parts.push([from, (Math.min(end, from + 1) - Math.max(start, from)) / (end - start)]);
    return parts;
  });
}
