// Link faces to people: one number per person. A simple form of hicmae_cli/faces/linker.py: within a shot and a gap
// of 1.32 s, a face belongs to the person who was last near its place with about its size. Looks are not compared, so
// a person who comes back after a cut or a longer absence gets a new number.

import { sizeOf } from "./boxes.js";

const MAX_GAP_S = 1.32;
const CUT_CORRELATION = 0.85;
const CUT_DIFFERENCE = 12;
const THUMBNAIL = [32, 18];

export class PeopleLinker {
  constructor() {
    this.people = [];
    this.nextId = 1;
    this.shot = 0;
    this.thumbnail = null;
  }

  // Link the faces of a picture -> their ids, in the given order. A face has a `box`.
  update(picture, faces, timeS) {
    const thumbnail = makeThumbnail(picture);
    if (this.thumbnail && isShotChange(this.thumbnail, thumbnail)) this.shot++;
    this.thumbnail = thumbnail;
    const scores = faces.flatMap((face, index) =>
      this.people
        .map((person) => [this.#score(person, face, timeS), index, person])
        .filter(([score]) => score !== null),
    );
    const linked = new Map(),
      taken = new Set();
    for (const [, index, person] of scores.sort((a, b) => b[0] - a[0]))
      if (!linked.has(index) && !taken.has(person)) {
        linked.set(index, person);
        taken.add(person);
      }
    return faces.map((face, index) => {
      const person = linked.get(index) ?? this.#addPerson();
      Object.assign(person, { box: face.box, shot: this.shot, lastS: timeS });
      return person.id;
    });
  }

  #score(person, face, timeS) {
    const gapS = timeS - person.lastS;
    if (person.shot !== this.shot || gapS > MAX_GAP_S + 1e-6) return null;
    const [size, before] = [sizeOf(face.box), sizeOf(person.box)];
    const centre = (box) => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    const [x, y] = centre(face.box),
      [lastX, lastY] = centre(person.box);
    const distance = Math.hypot(x - lastX, y - lastY) / ((size + before) / 2);
    const reach = 0.5 + gapS,
      growth = 1.4 + gapS,
      ratio = size / before;
    return distance < reach && 1 / growth < ratio && ratio < growth ? 1 - distance / reach : null;
  }

  #addPerson() {
    const person = { id: this.nextId++ };
    this.people.push(person);
    return person;
  }
}

// Shrink a picture to 32 x 18 grey levels.
export function makeThumbnail({ data, width, height }) {
  const [columns, rows] = THUMBNAIL,
    sums = new Float32Array(columns * rows),
    counts = new Float32Array(columns * rows);
  // Every fourth pixel is enough for a mean.
  const stride = width * height > 200000 ? 4 : 1;
  for (let y = 0; y < height; y += stride)
    for (let x = 0; x < width; x += stride) {
      const place = 4 * (y * width + x);
      const cell = Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width);
      sums[cell] += 0.299 * data[place] + 0.587 * data[place + 1] + 0.114 * data[place + 2];
      counts[cell]++;
    }
  return sums.map((sum, cell) => sum / Math.max(1, counts[cell]));
}

// Whether two consecutive thumbnails belong to different shots.
export function isShotChange(before, after) {
  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  if (mean(after.map((v, i) => Math.abs(v - before[i]))) < CUT_DIFFERENCE) return false;
  const [meanBefore, meanAfter] = [mean(before), mean(after)];
  let product = 0,
    first = 0,
    second = 0;
  before.forEach((v, i) => {
    const [a, b] = [v - meanBefore, after[i] - meanAfter];
    product += a * b;
    first += a * a;
    second += b * b;
  });
  const norm = Math.sqrt(first * second);
  return norm < 1e-6 || product / norm < CUT_CORRELATION;
}
