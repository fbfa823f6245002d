// Sound at 16 kHz as ffmpeg makes it for hicmae: the model was trained on that, and a browser's own filter changes the
// highest bands of the spectrogram. The browser decodes to 48 kHz, then a windowed sinc takes every third sample.

export const DECODED_HZ = 48000;
const FACTOR = 3;
// ffmpeg's defaults: 32 taps at the lower rate, cut off at 97 % of the band, Kaiser's window with beta 9.
const CUTOFF = 0.97;
const TAPS = 32;
const BETA = 9;

// 48 kHz (n,) -> 16 kHz.
export function resample(samples) {
  const kernel = makeKernel(),
    half = (kernel.length - 1) / 2;
  const out = new Float32Array(Math.ceil(samples.length / FACTOR));
  for (let i = 0; i < out.length; i++) {
    const first = i * FACTOR - half,
      end = Math.min(kernel.length, samples.length - first);
    let sum = 0;
    for (let k = Math.max(0, -first); k < end; k++) sum += kernel[k] * samples[first + k];
    out[i] = sum;
  }
  return out;
}

function makeKernel() {
  const half = Math.ceil((TAPS * FACTOR) / CUTOFF / 2),
    bound = besselI0(BETA);
  const kernel = Float64Array.from({ length: 2 * half + 1 }, (_, i) => {
    const x = ((i - half) * CUTOFF) / FACTOR,
      w = (i - half) / half;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    return (sinc * besselI0(BETA * Math.sqrt(Math.max(0, 1 - w * w)))) / bound;
  });
  const sum = kernel.reduce((a, b) => a + b);
  return kernel.map((v) => v / sum);
}

// The modified Bessel function of order 0, by its series.
function besselI0(x) {
  let sum = 1,
    term = 1;
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
