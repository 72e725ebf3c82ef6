// Root mean square normalization (Zhang and Sennrich 2019): a row divided by the root of its mean
// square. Float64 lanes, rounded once; the rest of a row is computed in the same way.

import { high, low, narrow } from './lanes';

@inline
function sumOf(pairs: v128): f64 {
  return f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1);
}

export function rmsNormF32(
  xPtr: usize,
  yPtr: usize,
  length: i32,
  eps: f64,
  weightPtr: usize,
  invRmsPtr: usize,
): void {
  const body = length & ~3;
  let squareLow = f64x2.splat(0),
    squareHigh = f64x2.splat(0);
  for (let i = 0; i < body; i += 4) {
    const value = v128.load(xPtr + ((<usize>i) << 2));
    const xLow = low(value),
      xHigh = high(value);
    squareLow = f64x2.add(squareLow, f64x2.mul(xLow, xLow));
    squareHigh = f64x2.add(squareHigh, f64x2.mul(xHigh, xHigh));
  }
  let square = sumOf(f64x2.add(squareLow, squareHigh));
  for (let i = body; i < length; i++) {
    const x = <f64>f32.load(xPtr + ((<usize>i) << 2));
    square += x * x;
  }
  const invRms = 1 / Math.sqrt(square / <f64>length + eps);
  f64.store(invRmsPtr, invRms);
  const factor = f64x2.splat(invRms);
  for (let i = 0; i < body; i += 4) {
    const at = (<usize>i) << 2;
    const value = v128.load(xPtr + at);
    let yLow = f64x2.mul(low(value), factor);
    let yHigh = f64x2.mul(high(value), factor);
    if (weightPtr) {
      const weight = v128.load(weightPtr + at);
      yLow = f64x2.mul(yLow, low(weight));
      yHigh = f64x2.mul(yHigh, high(weight));
    }
    v128.store(yPtr + at, narrow(yLow, yHigh));
  }
  for (let i = body; i < length; i++) {
    const at = (<usize>i) << 2;
    const weight = weightPtr ? <f64>f32.load(weightPtr + at) : 1;
    f32.store(yPtr + at, <f32>(<f64>f32.load(xPtr + at) * invRms * weight));
  }
}

// With xhat = x / rms and g = dy weight: dx = (g - xhat mean(g xhat)) / rms.
export function rmsNormGradF32(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  length: i32,
  weightPtr: usize,
  invRmsPtr: usize,
  weightGradPtr: usize,
): void {
  const invRms = f64.load(invRmsPtr);
  const factor = f64x2.splat(invRms);
  const body = length & ~3;
  let sumLow = f64x2.splat(0),
    sumHigh = f64x2.splat(0);
  for (let i = 0; i < body; i += 4) {
    const at = (<usize>i) << 2;
    const value = v128.load(xPtr + at);
    const grad = v128.load(dyPtr + at);
    let productLow = f64x2.mul(low(grad), f64x2.mul(low(value), factor));
    let productHigh = f64x2.mul(high(grad), f64x2.mul(high(value), factor));
    if (weightGradPtr) {
      const to = weightGradPtr + ((<usize>i) << 3);
      v128.store(to, f64x2.add(v128.load(to), productLow));
      v128.store(to, f64x2.add(v128.load(to, 16), productHigh), 16);
    }
    if (weightPtr) {
      const weight = v128.load(weightPtr + at);
      productLow = f64x2.mul(productLow, low(weight));
      productHigh = f64x2.mul(productHigh, high(weight));
    }
    sumLow = f64x2.add(sumLow, productLow);
    sumHigh = f64x2.add(sumHigh, productHigh);
  }
  let sum = sumOf(f64x2.add(sumLow, sumHigh));
  for (let i = body; i < length; i++) {
    const at = (<usize>i) << 2;
    const product = <f64>f32.load(dyPtr + at) * (<f64>f32.load(xPtr + at) * invRms);
    if (weightGradPtr) {
      const to = weightGradPtr + ((<usize>i) << 3);
      f64.store(to, f64.load(to) + product);
    }
    sum += weightPtr ? product * <f64>f32.load(weightPtr + at) : product;
  }
  if (!dxPtr) return;
  const slope = (sum / <f64>length) * invRms;
  const slopes = f64x2.splat(slope);
  for (let i = 0; i < body; i += 4) {
    const at = (<usize>i) << 2;
    const value = v128.load(xPtr + at);
    const grad = v128.load(dyPtr + at);
    let gLow = low(grad),
      gHigh = high(grad);
    if (weightPtr) {
      const weight = v128.load(weightPtr + at);
      gLow = f64x2.mul(gLow, low(weight));
      gHigh = f64x2.mul(gHigh, high(weight));
    }
    const dxLow = f64x2.mul(f64x2.sub(gLow, f64x2.mul(low(value), slopes)), factor);
    const dxHigh = f64x2.mul(f64x2.sub(gHigh, f64x2.mul(high(value), slopes)), factor);
    v128.store(dxPtr + at, narrow(dxLow, dxHigh));
  }
  for (let i = body; i < length; i++) {
    const at = (<usize>i) << 2;
    const g = <f64>f32.load(dyPtr + at) * (weightPtr ? <f64>f32.load(weightPtr + at) : 1);
    f32.store(dxPtr + at, <f32>((g - <f64>f32.load(xPtr + at) * slope) * invRms));
  }
}
