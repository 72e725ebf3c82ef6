// Plain twins of kernels/assembly/pointwise.ts: loops over typed arrays in float64 arithmetic,
// straight from the formulas, for tests and for readers. Their speed does not matter.

import { RandomStream } from '../../base/random.ts';

const TERMS = 200;
/** Where erfc changes from the series to the continued fraction; both are good to 1e-14 around
 * it. */
const ERFC_FRACTION_START = 2.5;
const GELU_TANH_CUBE = 0.044715;

/** erfc(x) = 1 - erf(x), accurate even if it is small. For small x the series of Abramowitz and
 * Stegun 7.1.6, for large x the continued fraction 7.1.14. */
export function erfcRef(x: number): number {
  if (x < 0) return 2 - erfcRef(-x);
  if (x < ERFC_FRACTION_START) return 1 - erfSeries(x);
  let fraction = x;
  for (let k = TERMS; k >= 1; k--) fraction = x + k / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

/** The error function. */
export function erfRef(x: number): number {
  if (x < 0) return -erfRef(-x);
  return x < ERFC_FRACTION_START ? erfSeries(x) : 1 - erfcRef(x);
}

/** 2/sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (1 3 5 ... (2n+1)): no term is negative. */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < TERMS; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return ((2 * Math.exp(-x * x)) / Math.sqrt(Math.PI)) * sum;
}

/** y[i] = f(x[i]). */
export function mapInto(y: Float32Array, x: Float32Array, f: (x: number) => number): void {
  for (let i = 0; i < x.length; i++) y[i] = f(x[i]!);
}

/** dx[i] = f(dy[i], v[i]); the derivative is a function of v. */
export function mapGradient(
  dx: Float32Array,
  dy: Float32Array,
  v: Float32Array,
  f: (dy: number, v: number) => number,
): void {
  for (let i = 0; i < dy.length; i++) dx[i] = f(dy[i]!, v[i]!);
}

export function reluRef(y: Float32Array, x: Float32Array): void {
  mapInto(y, x, (v) => Math.max(v, 0));
}

export function reluGradRef(dx: Float32Array, dy: Float32Array, y: Float32Array): void {
  mapGradient(dx, dy, y, (d, v) => (v <= 0 ? 0 : d));
}

/** The slope is used as a float32. */
export function leakyReluRef(y: Float32Array, x: Float32Array, slope: number): void {
  const factor = Math.fround(slope);
  mapInto(y, x, (v) => (v > 0 ? v : factor * v));
}

export function leakyReluGradRef(
  dx: Float32Array,
  dy: Float32Array,
  y: Float32Array,
  slope: number,
): void {
  const factor = Math.fround(slope);
  mapGradient(dx, dy, y, (d, v) => (v > 0 ? d : factor * d));
}

export function eluRef(y: Float32Array, x: Float32Array, alpha: number): void {
  mapInto(y, x, (v) => (v > 0 ? v : alpha * Math.expm1(v)));
}

export function eluGradRef(
  dx: Float32Array,
  dy: Float32Array,
  y: Float32Array,
  alpha: number,
): void {
  mapGradient(dx, dy, y, (d, v) => (v > 0 ? d : d * (v + alpha)));
}

export function sigmoidRef(y: Float32Array, x: Float32Array): void {
  mapInto(y, x, (v) => 1 / (1 + Math.exp(-v)));
}

export function sigmoidGradRef(dx: Float32Array, dy: Float32Array, y: Float32Array): void {
  mapGradient(dx, dy, y, (d, v) => d * v * (1 - v));
}

export function tanhRef(y: Float32Array, x: Float32Array): void {
  mapInto(y, x, Math.tanh);
}

export function tanhGradRef(dx: Float32Array, dy: Float32Array, y: Float32Array): void {
  mapGradient(dx, dy, y, (d, v) => d * (1 - v * v));
}

/** Phi, the standard normal distribution. */
function normal(x: number): number {
  return erfcRef(-x / Math.SQRT2) / 2;
}

export function geluRef(y: Float32Array, x: Float32Array): void {
  mapInto(y, x, (v) => v * normal(v));
}

export function geluGradRef(dx: Float32Array, dy: Float32Array, x: Float32Array): void {
  mapGradient(dx, dy, x, (d, v) => {
    const density = Math.exp((-v * v) / 2) / Math.sqrt(2 * Math.PI);
    return d * (normal(v) + v * density);
  });
}

/** (1 + tanh(u)) / 2 written as 1 / (1 + exp(-2u)), which is accurate even if it is small. */
function tanhGate(x: number): number {
  const u = Math.sqrt(2 / Math.PI) * (x + GELU_TANH_CUBE * x ** 3);
  return 1 / (1 + Math.exp(-2 * u));
}

export function geluTanhRef(y: Float32Array, x: Float32Array): void {
  mapInto(y, x, (v) => v * tanhGate(v));
}

export function geluTanhGradRef(dx: Float32Array, dy: Float32Array, x: Float32Array): void {
  mapGradient(dx, dy, x, (d, v) => {
    const gate = tanhGate(v);
    const slope = Math.sqrt(2 / Math.PI) * (1 + 3 * GELU_TANH_CUBE * v * v);
    return d * (gate + 2 * v * gate * (1 - gate) * slope);
  });
}

export function siluRef(y: Float32Array, x: Float32Array): void {
  mapInto(y, x, (v) => v / (1 + Math.exp(-v)));
}

export function siluGradRef(dx: Float32Array, dy: Float32Array, x: Float32Array): void {
  mapGradient(dx, dy, x, (d, v) => {
    const gate = 1 / (1 + Math.exp(-v));
    return d * (gate + v * gate * (1 - gate));
  });
}

export interface DropoutRefOptions {
  readonly countSamples: number;
  readonly elements: number;
  /** Unsigned; a word below it drops its element. */
  readonly threshold: number;
  readonly scale: number;
  readonly firstSample: number;
  readonly step: number;
  readonly seed: number;
  readonly key: number;
}

/** x and y are [countSamples, elements]. */
export function dropoutRef(y: Float32Array, x: Float32Array, options: DropoutRefOptions): void {
  const { countSamples, elements, threshold, firstSample, step, seed, key } = options;
  const scale = Math.fround(options.scale);
  const random = new RandomStream();
  for (let s = 0; s < countSamples; s++) {
    random.reset(seed, key, step, firstSample + s);
    for (let e = 0; e < elements; e++) {
      const at = s * elements + e;
      y[at] = random.nextUint32() >= threshold ? x[at]! * scale : 0;
    }
  }
}
