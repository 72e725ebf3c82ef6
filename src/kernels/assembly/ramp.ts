// Activations made of a ramp, in float32 lanes. Vectors read past the end of an array, and only
// elements of the array are stored, as in pointwise.ts. Formulas: abi/ramp.ts. The numbers are
// arguments, because V8 rebuilds constants for each vector if it packs vectors, which took up to 4
// times as long.

import { positive, unblocked } from './coefficients';
import { storeLanes } from './lanes';

/** scale min(max(x + shift, 0), top), NaN where x is. */
@inline
function ramp(x: v128, shift: v128, top: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.pmin(positive(f32x4.add(x, shift)), top), scale);
}

/** `value` where `y` is between 0 and `end`, or NaN, else 0. */
@inline
function within(value: v128, y: v128, end: v128): v128 {
  return v128.andnot(unblocked(value, y), f32x4.ge(y, end));
}

export function rampF32(xPtr: usize, yPtr: usize, n: i32, shift: f32, top: f32, scale: f32): void {
  const shifts = f32x4.splat(shift);
  const tops = f32x4.splat(top);
  const scales = f32x4.splat(scale);
  for (; n >= 8; n -= 8, xPtr += 32, yPtr += 32) {
    const y0 = ramp(v128.load(xPtr), shifts, tops, scales);
    const y1 = ramp(v128.load(xPtr, 16), shifts, tops, scales);
    v128.store(yPtr, y0);
    v128.store(yPtr, y1, 16);
  }
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    storeLanes(yPtr, ramp(v128.load(xPtr), shifts, tops, scales), n);
  }
}

export function rampGradF32(
  dyPtr: usize,
  yPtr: usize,
  dxPtr: usize,
  n: i32,
  end: f32,
  scale: f32,
): void {
  const ends = f32x4.splat(end);
  const scales = f32x4.splat(scale);
  for (; n >= 8; n -= 8, dyPtr += 32, yPtr += 32, dxPtr += 32) {
    const dx0 = within(f32x4.mul(v128.load(dyPtr), scales), v128.load(yPtr), ends);
    const dx1 = within(f32x4.mul(v128.load(dyPtr, 16), scales), v128.load(yPtr, 16), ends);
    v128.store(dxPtr, dx0);
    v128.store(dxPtr, dx1, 16);
  }
  for (; n > 0; n -= 4, dyPtr += 16, yPtr += 16, dxPtr += 16) {
    const dx = f32x4.mul(v128.load(dyPtr), scales);
    storeLanes(dxPtr, within(dx, v128.load(yPtr), ends), n);
  }
}

@inline
function gated(x: v128, shift: v128, top: v128, scale: v128): v128 {
  return f32x4.mul(x, ramp(x, shift, top, scale));
}

export function rampGatedF32(
  xPtr: usize,
  yPtr: usize,
  n: i32,
  shift: f32,
  top: f32,
  scale: f32,
): void {
  const shifts = f32x4.splat(shift);
  const tops = f32x4.splat(top);
  const scales = f32x4.splat(scale);
  for (; n >= 8; n -= 8, xPtr += 32, yPtr += 32) {
    const y0 = gated(v128.load(xPtr), shifts, tops, scales);
    const y1 = gated(v128.load(xPtr, 16), shifts, tops, scales);
    v128.store(yPtr, y0);
    v128.store(yPtr, y1, 16);
  }
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    storeLanes(yPtr, gated(v128.load(xPtr), shifts, tops, scales), n);
  }
}

@inline
function gatedGrad(dy: v128, x: v128, shift: v128, top: v128, scale: v128, end: v128): v128 {
  const gate = ramp(x, shift, top, scale);
  return f32x4.mul(dy, f32x4.add(gate, within(f32x4.mul(x, scale), gate, end)));
}

export function rampGatedGradF32(
  dyPtr: usize,
  xPtr: usize,
  dxPtr: usize,
  n: i32,
  shift: f32,
  top: f32,
  scale: f32,
  end: f32,
): void {
  const shifts = f32x4.splat(shift);
  const tops = f32x4.splat(top);
  const scales = f32x4.splat(scale);
  const ends = f32x4.splat(end);
  for (; n >= 8; n -= 8, dyPtr += 32, xPtr += 32, dxPtr += 32) {
    const dx0 = gatedGrad(v128.load(dyPtr), v128.load(xPtr), shifts, tops, scales, ends);
    const dx1 = gatedGrad(v128.load(dyPtr, 16), v128.load(xPtr, 16), shifts, tops, scales, ends);
    v128.store(dxPtr, dx0);
    v128.store(dxPtr, dx1, 16);
  }
  for (; n > 0; n -= 4, dyPtr += 16, xPtr += 16, dxPtr += 16) {
    const dx = gatedGrad(v128.load(dyPtr), v128.load(xPtr), shifts, tops, scales, ends);
    storeLanes(dxPtr, dx, n);
  }
}
