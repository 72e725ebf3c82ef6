// Coefficients of normalizations; abi/norm.ts draws their layout. The float32 values are for the
// float32 lanes of the passes: the float32 part of a mean is subtracted first, and the rest is in
// the constant, so a large mean costs no digits. Inlined, not exported from the binary.

import { mulAdd } from './math';

@inline
export function storeCoefficients(
  coefficientsPtr: usize,
  channel: i32,
  channels: i32,
  mean: f64,
  invStd: f64,
  weight: f64,
  bias: f64,
): void {
  const scale = <f32>(invStd * weight);
  const ptr = coefficientsPtr + ((<usize>channel) << 3);
  f64.store(ptr, mean);
  f64.store(ptr + ((<usize>channels) << 3), invStd);
  const arrayBytes = (<usize>channels) << 2;
  const narrowPtr = narrowCoefficients(coefficientsPtr, channels) + ((<usize>channel) << 2);
  f32.store(narrowPtr, <f32>mean);
  f32.store(narrowPtr + arrayBytes, scale);
  f32.store(narrowPtr + 2 * arrayBytes, <f32>(bias - restOf(mean) * <f64>scale));
}

/** Where the float32 arrays of coefficients begin: m[C], scale[C], base[C]. */
@inline
export function narrowCoefficients(coefficientsPtr: usize, channels: i32): usize {
  return coefficientsPtr + ((<usize>channels) << 4);
}

/** With fewer values the gradient may cancel almost completely (with two it always does), which
 * needs float64 coefficients. */
const MIN_COUNT: f64 = 64;

/** Coefficients of dx = a dy - b - k (x - mean), written as dx = a (dy - c) + (d - k (x - m)), with
 * m and c rounded to float32 and the remainders in d. A constant gradient then cancels exactly.
 * `count` values were normalized together. */
@inline
export function storeGradCoefficients(
  outPtr: usize,
  channel: i32,
  channels: i32,
  count: f64,
  mean: f64,
  a: f64,
  b: f64,
  k: f64,
): void {
  const isWide = count < MIN_COUNT;
  i32.store(outPtr, isWide);
  const center: f32 = isWide || a == 0 ? 0 : <f32>(b / a);
  const constant = a * <f64>center - b + k * restOf(mean);
  if (isWide) {
    const arrayBytes = (<usize>channels) << 2;
    f32.store(outPtr + arrayBytes + ((<usize>channel) << 2), <f32>mean);
    const widePtr = outPtr + 2 * arrayBytes + ((<usize>channel) << 3);
    f64.store(widePtr, a);
    f64.store(widePtr + 2 * arrayBytes, constant);
    f64.store(widePtr + 4 * arrayBytes, -k);
  } else {
    const ptr = gradPanels(outPtr) + <usize>(channel >> 3) * GRAD_PANEL_BYTES;
    const lanePtr = ptr + ((<usize>(channel & 7)) << 2);
    f32.store(lanePtr, <f32>mean);
    f32.store(lanePtr, center, 32);
    f32.store(lanePtr, <f32>a, 64);
    f32.store(lanePtr, <f32>constant, 96);
    f32.store(lanePtr, <f32>-k, 128);
  }
}

/** A panel of eight channels, in pairs of vectors: m, c, a, d, -k. */
export const GRAD_PANEL_BYTES: usize = 160;

/** Where the float32 panels of gradient coefficients begin. */
@inline
export function gradPanels(gradCoefficientsPtr: usize): usize {
  return gradCoefficientsPtr + 16;
}

/** The part of a float64 number that float32 loses. */
@inline
export function restOf(value: f64): f64 {
  return value - <f64>(<f32>value);
}

/** y = (x - m) scale + base. */
@inline
export function normalized(x: v128, mean: v128, scale: v128, base: v128): v128 {
  return mulAdd(f32x4.sub(x, mean), scale, base);
}

/** dy where y is above 0 or NaN, else 0, as in reluGradF32. */
@inline
export function unblocked(dy: v128, y: v128): v128 {
  return v128.andnot(dy, f32x4.le(y, f32x4.splat(0)));
}

/** x where `output` is above 0, else slope x. */
@inline
export function leaky(x: v128, output: v128, slope: v128): v128 {
  return v128.bitselect(x, f32x4.mul(x, slope), f32x4.gt(output, f32x4.splat(0)));
}

/** max(y, 0), NaN where y is; `f32x4.max` takes seven instructions on x64. */
@inline
export function positive(y: v128): v128 {
  return unblocked(y, y);
}
