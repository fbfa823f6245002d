// Judge raw RGB crops by the expression net of @vladmandic/face-api; scripts/score_peers.py runs this.
//
//     node score_face_api.cjs NODE_MODULES CROPS.raw COUNT SIZE_PX OUT.f32

const fs = require("fs");
const path = require("path");

const [modules, crops, count, size, out] = process.argv.slice(2);
const load = (name) => require(path.join(modules, name));
const labels = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"];

async function main() {
  load("@tensorflow/tfjs");
  load("@tensorflow/tfjs-backend-wasm");
  const faceapi = load("@vladmandic/face-api/dist/face-api.node-wasm.js");
  await faceapi.tf.setBackend("wasm");
  await faceapi.tf.ready();
  await faceapi.nets.faceExpressionNet.loadFromDisk(path.join(modules, "@vladmandic/face-api/model"));
  const bytes = size * size * 3;
  const file = fs.openSync(crops, "r");
  const table = new Float32Array(count * labels.length);
  for (let row = 0; row < count; row++) {
    const pixels = new Uint8Array(bytes);
    fs.readSync(file, pixels, 0, bytes, row * bytes);
    const picture = faceapi.tf.tensor3d(pixels, [+size, +size, 3], "int32");
    const found = await faceapi.nets.faceExpressionNet.predictExpressions(picture);
    picture.dispose();
    labels.forEach((label, column) => (table[row * labels.length + column] = found[label]));
  }
  fs.writeFileSync(out, Buffer.from(table.buffer));
}

main();
