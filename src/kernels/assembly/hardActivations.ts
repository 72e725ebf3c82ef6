// Activations made of relu6(x) = min(max(x, 0), 6), in float32 lanes. Vectors run over the end of
// an array and only what belongs to it is stored, as in pointwise.ts. Formulas:
// abi/hardActivations.ts.

import { positive, unblocked } from './coefficients';
import { storeLanes } from './lanes';

/** min(max(x, 0), 6), NaN where x is. */
@inline
function upToSix(x: v128): v128 {
  return f32x4.pmin(positive(x), f32x4.splat(6));
}

/** `value` where `y` is between 0 and `top`, or NaN, else 0. */
@inline
function within(value: v128, y: v128, top: f32): v128 {
  return v128.andnot(unblocked(value, y), f32x4.ge(y, f32x4.splat(top)));
}

@inline
function sixth(x: v128): v128 {
  return f32x4.div(x, f32x4.splat(6));
}

@inline
function hardSigmoid(x: v128): v128 {
  return sixth(upToSix(f32x4.add(x, f32x4.splat(3))));
}

@inline
function hardSwish(x: v128): v128 {
  return f32x4.mul(x, hardSigmoid(x));
}

@inline
function hardSwishGrad(dy: v128, x: v128): v128 {
  const gate = hardSigmoid(x);
  return f32x4.mul(dy, f32x4.add(gate, within(sixth(x), gate, 1)));
}

export function relu6F32(xPtr: usize, yPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, xPtr += 32, yPtr += 32) {
    const y0 = upToSix(v128.load(xPtr));
    const y1 = upToSix(v128.load(xPtr, 16));
    v128.store(yPtr, y0);
    v128.store(yPtr, y1, 16);
  }
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    storeLanes(yPtr, upToSix(v128.load(xPtr)), n);
  }
}

export function relu6GradF32(dyPtr: usize, yPtr: usize, dxPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, dyPtr += 32, yPtr += 32, dxPtr += 32) {
    const dx0 = within(v128.load(dyPtr), v128.load(yPtr), 6);
    const dx1 = within(v128.load(dyPtr, 16), v128.load(yPtr, 16), 6);
    v128.store(dxPtr, dx0);
    v128.store(dxPtr, dx1, 16);
  }
  for (; n > 0; n -= 4, dyPtr += 16, yPtr += 16, dxPtr += 16) {
    storeLanes(dxPtr, within(v128.load(dyPtr), v128.load(yPtr), 6), n);
  }
}

export function hardSigmoidF32(xPtr: usize, yPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, xPtr += 32, yPtr += 32) {
    const y0 = hardSigmoid(v128.load(xPtr));
    const y1 = hardSigmoid(v128.load(xPtr, 16));
    v128.store(yPtr, y0);
    v128.store(yPtr, y1, 16);
  }
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    storeLanes(yPtr, hardSigmoid(v128.load(xPtr)), n);
  }
}

export function hardSigmoidGradF32(dyPtr: usize, yPtr: usize, dxPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, dyPtr += 32, yPtr += 32, dxPtr += 32) {
    const dx0 = within(sixth(v128.load(dyPtr)), v128.load(yPtr), 1);
    const dx1 = within(sixth(v128.load(dyPtr, 16)), v128.load(yPtr, 16), 1);
    v128.store(dxPtr, dx0);
    v128.store(dxPtr, dx1, 16);
  }
  for (; n > 0; n -= 4, dyPtr += 16, yPtr += 16, dxPtr += 16) {
    storeLanes(dxPtr, within(sixth(v128.load(dyPtr)), v128.load(yPtr), 1), n);
  }
}

export function hardSwishF32(xPtr: usize, yPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, xPtr += 32, yPtr += 32) {
    const y0 = hardSwish(v128.load(xPtr));
    const y1 = hardSwish(v128.load(xPtr, 16));
    v128.store(yPtr, y0);
    v128.store(yPtr, y1, 16);
  }
  for (; n > 0; n -= 4, xPtr += 16, yPtr += 16) {
    storeLanes(yPtr, hardSwish(v128.load(xPtr)), n);
  }
}

export function hardSwishGradF32(dyPtr: usize, xPtr: usize, dxPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, dyPtr += 32, xPtr += 32, dxPtr += 32) {
    const dx0 = hardSwishGrad(v128.load(dyPtr), v128.load(xPtr));
    const dx1 = hardSwishGrad(v128.load(dyPtr, 16), v128.load(xPtr, 16));
    v128.store(dxPtr, dx0);
    v128.store(dxPtr, dx1, 16);
  }
  for (; n > 0; n -= 4, dyPtr += 16, xPtr += 16, dxPtr += 16) {
    storeLanes(dxPtr, hardSwishGrad(v128.load(dyPtr), v128.load(xPtr)), n);
  }
}
