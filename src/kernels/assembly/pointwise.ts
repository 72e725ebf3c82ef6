// Kernels that treat each element on its own: activations, sums of tensors, dropout. Vectors of
// four read past the end of an array by at most three elements (regions have slack after them), and
// only elements of the array are stored, so an element has the same bits at any position. Functions
// such as tanh are computed in float64 and rounded once. Formulas: abi/pointwise.ts.

import { leaky, positive, unblocked } from './coefficients';
import { high, low, narrow, storeLanes } from './lanes';
import { erfcScaledPair, expMinusOnePair, expPair, sigmoidPair, tanhPair } from './math';

const SQRT_HALF: f64 = Math.SQRT1_2;
/** 1 / sqrt(2 pi), the normal density at 0. */
const NORMAL_DENSITY: f64 = 0.3989422804014327;
/** Below this exp(x) - 1 rounds to -1 in float64. */
const ELU_MIN: f64 = -40;

export function reluF32(xPtr: usize, yPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, xPtr += 32, yPtr += 32) {
    const y0 = positive(v128.load(xPtr));
    const y1 = positive(v128.load(xPtr, 16));
    v128.store(yPtr, y0);
    v128.store(yPtr, y1, 16);
  }
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    storeLanes(yPtr, positive(v128.load(xPtr)), n);
  }
}

export function reluGradF32(dyPtr: usize, yPtr: usize, dxPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, dyPtr += 32, yPtr += 32, dxPtr += 32) {
    const dx0 = unblocked(v128.load(dyPtr), v128.load(yPtr));
    const dx1 = unblocked(v128.load(dyPtr, 16), v128.load(yPtr, 16));
    v128.store(dxPtr, dx0);
    v128.store(dxPtr, dx1, 16);
  }
  for (; n > 0; n -= 4, dyPtr += 16, yPtr += 16, dxPtr += 16) {
    storeLanes(dxPtr, unblocked(v128.load(dyPtr), v128.load(yPtr)), n);
  }
}

/** dst = max(a + b, 0). */
export function addReluF32(dstPtr: usize, aPtr: usize, bPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, dstPtr += 32, aPtr += 32, bPtr += 32) {
    const sum0 = positive(f32x4.add(v128.load(aPtr), v128.load(bPtr)));
    const sum1 = positive(f32x4.add(v128.load(aPtr, 16), v128.load(bPtr, 16)));
    v128.store(dstPtr, sum0);
    v128.store(dstPtr, sum1, 16);
  }
  for (; n > 0; n -= 4, dstPtr += 16, aPtr += 16, bPtr += 16) {
    storeLanes(dstPtr, positive(f32x4.add(v128.load(aPtr), v128.load(bPtr))), n);
  }
}

export function leakyReluF32(xPtr: usize, yPtr: usize, n: i32, slope: f32): void {
  const factor = f32x4.splat(slope);
  for (; n >= 8; n -= 8, xPtr += 32, yPtr += 32) {
    const x0 = v128.load(xPtr);
    const x1 = v128.load(xPtr, 16);
    v128.store(yPtr, leaky(x0, x0, factor));
    v128.store(yPtr, leaky(x1, x1, factor), 16);
  }
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    const x = v128.load(xPtr);
    storeLanes(yPtr, leaky(x, x, factor), n);
  }
}

export function leakyReluGradF32(
  dyPtr: usize,
  yPtr: usize,
  dxPtr: usize,
  n: i32,
  slope: f32,
): void {
  const factor = f32x4.splat(slope);
  for (; n >= 8; n -= 8, dyPtr += 32, yPtr += 32, dxPtr += 32) {
    const dx0 = leaky(v128.load(dyPtr), v128.load(yPtr), factor);
    const dx1 = leaky(v128.load(dyPtr, 16), v128.load(yPtr, 16), factor);
    v128.store(dxPtr, dx0);
    v128.store(dxPtr, dx1, 16);
  }
  for (; n > 0; n -= 4, dyPtr += 16, yPtr += 16, dxPtr += 16) {
    storeLanes(dxPtr, leaky(v128.load(dyPtr), v128.load(yPtr), factor), n);
  }
}

/** x where x > 0, else alpha (exp(x) - 1). */
@inline
function eluPair(x: v128, alpha: v128): v128 {
  const bounded = f64x2.max(x, f64x2.splat(ELU_MIN));
  const bent = f64x2.mul(alpha, expMinusOnePair(bounded));
  return v128.bitselect(x, bent, f64x2.gt(x, f64x2.splat(0)));
}

export function eluF32(xPtr: usize, yPtr: usize, n: i32, alpha: f64): void {
  const alphas = f64x2.splat(alpha);
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    const x = v128.load(xPtr);
    storeLanes(yPtr, narrow(eluPair(low(x), alphas), eluPair(high(x), alphas)), n);
  }
}

/** dy where y > 0, else dy (y + alpha). */
@inline
function eluGradPair(dy: v128, y: v128, alpha: v128): v128 {
  const bent = f64x2.mul(dy, f64x2.add(y, alpha));
  return v128.bitselect(dy, bent, f64x2.gt(y, f64x2.splat(0)));
}

export function eluGradF32(dyPtr: usize, yPtr: usize, dxPtr: usize, n: i32, alpha: f64): void {
  const alphas = f64x2.splat(alpha);
  for (; n > 0; n -= 4, dyPtr += 16, yPtr += 16, dxPtr += 16) {
    const dy = v128.load(dyPtr);
    const y = v128.load(yPtr);
    const lowPart = eluGradPair(low(dy), low(y), alphas);
    storeLanes(dxPtr, narrow(lowPart, eluGradPair(high(dy), high(y), alphas)), n);
  }
}

export function sigmoidF32(xPtr: usize, yPtr: usize, n: i32): void {
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    const x = v128.load(xPtr);
    storeLanes(yPtr, narrow(sigmoidPair(low(x)), sigmoidPair(high(x))), n);
  }
}

@inline
function sigmoidGradPair(dy: v128, y: v128): v128 {
  return f64x2.mul(f64x2.mul(dy, y), f64x2.sub(f64x2.splat(1), y));
}

export function sigmoidGradF32(dyPtr: usize, yPtr: usize, dxPtr: usize, n: i32): void {
  for (; n > 0; n -= 4, dyPtr += 16, yPtr += 16, dxPtr += 16) {
    const dy = v128.load(dyPtr);
    const y = v128.load(yPtr);
    const dx = narrow(sigmoidGradPair(low(dy), low(y)), sigmoidGradPair(high(dy), high(y)));
    storeLanes(dxPtr, dx, n);
  }
}

export function tanhF32(xPtr: usize, yPtr: usize, n: i32): void {
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    const x = v128.load(xPtr);
    storeLanes(yPtr, narrow(tanhPair(low(x)), tanhPair(high(x))), n);
  }
}

@inline
function tanhGradPair(dy: v128, y: v128): v128 {
  return f64x2.mul(dy, f64x2.sub(f64x2.splat(1), f64x2.mul(y, y)));
}

export function tanhGradF32(dyPtr: usize, yPtr: usize, dxPtr: usize, n: i32): void {
  for (; n > 0; n -= 4, dyPtr += 16, yPtr += 16, dxPtr += 16) {
    const dy = v128.load(dyPtr);
    const y = v128.load(yPtr);
    const dx = narrow(tanhGradPair(low(dy), low(y)), tanhGradPair(high(dy), high(y)));
    storeLanes(dxPtr, dx, n);
  }
}

/** Phi(x), the standard normal distribution, as the tail erfc(|x|/sqrt(2)) / 2 or 1 minus it, so
 * that neither side loses accuracy; `exponential` is exp(-x^2/2). */
@inline
function normalPair(x: v128, exponential: v128): v128 {
  const z = f64x2.mul(f64x2.abs(x), f64x2.splat(SQRT_HALF));
  const tail = f64x2.mul(f64x2.mul(f64x2.splat(0.5), exponential), erfcScaledPair(z));
  const body = f64x2.sub(f64x2.splat(1), tail);
  return v128.bitselect(body, tail, f64x2.gt(x, f64x2.splat(0)));
}

/** exp(-x^2/2). */
@inline
function bellPair(x: v128): v128 {
  return expPair(f64x2.mul(f64x2.mul(x, x), f64x2.splat(-0.5)));
}

@inline
function geluPair(x: v128): v128 {
  return f64x2.mul(x, normalPair(x, bellPair(x)));
}

export function geluF32(xPtr: usize, yPtr: usize, n: i32): void {
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    const x = v128.load(xPtr);
    storeLanes(yPtr, narrow(geluPair(low(x)), geluPair(high(x))), n);
  }
}

@inline
function geluGradPair(dy: v128, x: v128): v128 {
  const exponential = bellPair(x);
  const density = f64x2.mul(exponential, f64x2.splat(NORMAL_DENSITY));
  return f64x2.mul(dy, f64x2.add(normalPair(x, exponential), f64x2.mul(x, density)));
}

export function geluGradF32(dyPtr: usize, xPtr: usize, dxPtr: usize, n: i32): void {
  for (; n > 0; n -= 4, dyPtr += 16, xPtr += 16, dxPtr += 16) {
    const dy = v128.load(dyPtr);
    const x = v128.load(xPtr);
    const dx = narrow(geluGradPair(low(dy), low(x)), geluGradPair(high(dy), high(x)));
    storeLanes(dxPtr, dx, n);
  }
}

/** s(u) = 1 / (1 + exp(-u)), u = slope x (1 + cube x^2); without a cube, infinity squared is not
 * multiplied by 0. */
@inline
function gateOf(x: v128, square: v128, slope: v128, cube: f64): v128 {
  if (cube == 0) return sigmoidPair(f64x2.mul(slope, x));
  const inner = f64x2.add(f64x2.splat(1), f64x2.mul(f64x2.splat(cube), square));
  return sigmoidPair(f64x2.mul(slope, f64x2.mul(x, inner)));
}

@inline
function gatedPair(x: v128, slope: v128, cube: f64): v128 {
  return f64x2.mul(x, gateOf(x, f64x2.mul(x, x), slope, cube));
}

export function gatedF32(xPtr: usize, yPtr: usize, n: i32, slope: f64, cube: f64): void {
  const slopes = f64x2.splat(slope);
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    const x = v128.load(xPtr);
    storeLanes(yPtr, narrow(gatedPair(low(x), slopes, cube), gatedPair(high(x), slopes, cube)), n);
  }
}

/** dy (s + x s (1 - s) u'), u' = slope (1 + 3 cube x^2). */
@inline
function gatedGradPair(dy: v128, x: v128, slope: v128, cube: f64): v128 {
  const one = f64x2.splat(1);
  const square = f64x2.mul(x, x);
  const gate = gateOf(x, square, slope, cube);
  let rise = slope;
  if (cube != 0) {
    rise = f64x2.mul(slope, f64x2.add(one, f64x2.mul(f64x2.splat(3 * cube), square)));
  }
  const bend = f64x2.mul(f64x2.mul(gate, f64x2.sub(one, gate)), f64x2.mul(x, rise));
  return f64x2.mul(dy, f64x2.add(gate, bend));
}

export function gatedGradF32(
  dyPtr: usize,
  xPtr: usize,
  dxPtr: usize,
  n: i32,
  slope: f64,
  cube: f64,
): void {
  const slopes = f64x2.splat(slope);
  for (; n > 0; n -= 4, dyPtr += 16, xPtr += 16, dxPtr += 16) {
    const dy = v128.load(dyPtr);
    const x = v128.load(xPtr);
    const dx = narrow(
      gatedGradPair(low(dy), low(x), slopes, cube),
      gatedGradPair(high(dy), high(x), slopes, cube),
    );
    storeLanes(dxPtr, dx, n);
  }
}

// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011), as in base/random.ts.
const PHILOX_MULTIPLIER_0: i32 = 0xd2511f53;
const PHILOX_MULTIPLIER_1: i32 = 0xcd9e8d57;
const PHILOX_WEYL_0: i32 = 0x9e3779b9;
const PHILOX_WEYL_1: i32 = 0xbb67ae85;
const PHILOX_ROUNDS: i32 = 10;
/** One round of vectors produces four blocks of four words. */
const DROPOUT_CHUNK: i32 = 16;

/** The upper halves of the 64-bit products of unsigned lanes. */
@inline
function multiplyHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(
    i64x2.extmul_low_i32x4_u(a, b),
    i64x2.extmul_high_i32x4_u(a, b),
    1,
    3,
    5,
    7,
  );
}

/** y = x * scale where the lane of `keep` is all ones, else 0. */
@inline
function dropLanes(xPtr: usize, yPtr: usize, keep: v128, scale: v128, count: i32): void {
  if (count > 0) storeLanes(yPtr, v128.and(f32x4.mul(v128.load(xPtr), scale), keep), count);
}

/** One sample of {@link dropoutF32}. */
function dropoutSample(
  xPtr: usize,
  yPtr: usize,
  elements: i32,
  threshold: v128,
  scale: v128,
  sample: i32,
  step: i32,
  seedLow: i32,
  seedHigh: i32,
  key: i32,
): void {
  const factor0 = i32x4.splat(PHILOX_MULTIPLIER_0);
  const factor1 = i32x4.splat(PHILOX_MULTIPLIER_1);
  let block = i32x4(0, 1, 2, 3);
  for (; elements > 0; elements -= DROPOUT_CHUNK) {
    let c0 = block;
    let c1 = i32x4.splat(sample);
    let c2 = i32x4.splat(step);
    let c3 = i32x4.splat(seedHigh);
    let k0 = seedLow;
    let k1 = key;
    for (let round = 0; round < PHILOX_ROUNDS; round++) {
      const high0 = multiplyHigh(c0, factor0);
      const high1 = multiplyHigh(c2, factor1);
      const low0 = i32x4.mul(c0, factor0);
      const low1 = i32x4.mul(c2, factor1);
      c0 = v128.xor(v128.xor(high1, c1), i32x4.splat(k0));
      c2 = v128.xor(v128.xor(high0, c3), i32x4.splat(k1));
      c1 = low1;
      c3 = low0;
      k0 += PHILOX_WEYL_0;
      k1 += PHILOX_WEYL_1;
    }
    const keep0 = i32x4.ge_u(c0, threshold);
    const keep1 = i32x4.ge_u(c1, threshold);
    const keep2 = i32x4.ge_u(c2, threshold);
    const keep3 = i32x4.ge_u(c3, threshold);
    // Lane b of keep_w is word w of block b. After the transpose, vector b is one block.
    const early01 = v128.shuffle<i32>(keep0, keep1, 0, 4, 1, 5);
    const late01 = v128.shuffle<i32>(keep0, keep1, 2, 6, 3, 7);
    const early23 = v128.shuffle<i32>(keep2, keep3, 0, 4, 1, 5);
    const late23 = v128.shuffle<i32>(keep2, keep3, 2, 6, 3, 7);
    const block0 = v128.shuffle<i64>(early01, early23, 0, 2);
    const block1 = v128.shuffle<i64>(early01, early23, 1, 3);
    const block2 = v128.shuffle<i64>(late01, late23, 0, 2);
    const block3 = v128.shuffle<i64>(late01, late23, 1, 3);
    dropLanes(xPtr, yPtr, block0, scale, elements);
    dropLanes(xPtr + 16, yPtr + 16, block1, scale, elements - 4);
    dropLanes(xPtr + 32, yPtr + 32, block2, scale, elements - 8);
    dropLanes(xPtr + 48, yPtr + 48, block3, scale, elements - 12);
    xPtr += 64;
    yPtr += 64;
    block = i32x4.add(block, i32x4.splat(4));
  }
}

export function dropoutF32(
  xPtr: usize,
  yPtr: usize,
  countSamples: i32,
  elements: i32,
  threshold: i32,
  scale: f32,
  firstSample: i32,
  step: i32,
  seedLow: i32,
  seedHigh: i32,
  key: i32,
): void {
  const bytes = (<usize>elements) << 2;
  for (let s = 0; s < countSamples; s++) {
    dropoutSample(
      xPtr,
      yPtr,
      elements,
      i32x4.splat(threshold),
      f32x4.splat(scale),
      firstSample + s,
      step,
      seedLow,
      seedHigh,
      key,
    );
    xPtr += bytes;
    yPtr += bytes;
  }
}
