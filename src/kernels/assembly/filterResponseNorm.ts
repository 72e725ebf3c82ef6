// Filter response normalization with its thresholded linear unit (Singh and Krishnan 2020) of one
// sample, [rows, channels], in float64 lanes, rounded once. Elements below the threshold do not
// contribute to the gradients of weight, bias and input.

import { high, low, narrow, storeLanes } from './lanes';

/** Stores the first `count` (1 to 4) lanes of a pair of float64 vectors. */
@inline
function storeDoubles(ptr: usize, a: v128, b: v128, count: i32): void {
  if (count >= 4) {
    v128.store(ptr, a);
    v128.store(ptr, b, 16);
    return;
  }
  f64.store(ptr, f64x2.extract_lane(a, 0));
  if (count > 1) f64.store(ptr, f64x2.extract_lane(a, 1), 8);
  if (count > 2) f64.store(ptr, f64x2.extract_lane(b, 0), 16);
}

export function filterResponseCoefficients(
  xPtr: usize,
  rows: i32,
  channels: i32,
  eps: f64,
  weightPtr: usize,
  biasPtr: usize,
  thresholdPtr: usize,
  coefficientsPtr: usize,
): void {
  const rowBytes = (<usize>channels) << 2;
  const arrayBytes = (<usize>channels) << 3;
  for (let channel = 0; channel < channels; channel += 4) {
    let x = xPtr + ((<usize>channel) << 2);
    let squareLow = f64x2.splat(0),
      squareHigh = f64x2.splat(0);
    for (let row = 0; row < rows; row++) {
      const value = v128.load(x);
      const xLow = low(value),
        xHigh = high(value);
      squareLow = f64x2.add(squareLow, f64x2.mul(xLow, xLow));
      squareHigh = f64x2.add(squareHigh, f64x2.mul(xHigh, xHigh));
      x += rowBytes;
    }
    const to = coefficientsPtr + ((<usize>channel) << 3);
    storeDoubles(to, squareLow, squareHigh, channels - channel);
  }
  const count = <f64>rows;
  for (let channel = 0; channel < channels; channel++) {
    const from = (<usize>channel) << 2;
    const to = coefficientsPtr + ((<usize>channel) << 3);
    const invRms = 1 / Math.sqrt(f64.load(to) / count + eps);
    f64.store(to, invRms);
    f64.store(to + arrayBytes, weightPtr ? invRms * <f64>f32.load(weightPtr + from) : invRms);
    f64.store(to + 2 * arrayBytes, biasPtr ? <f64>f32.load(biasPtr + from) : 0);
    f64.store(to + 3 * arrayBytes, thresholdPtr ? <f64>f32.load(thresholdPtr + from) : -Infinity);
  }
}

export function filterResponseF32(
  xPtr: usize,
  zPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
): void {
  const rowBytes = (<usize>channels) << 2;
  const arrayBytes = (<usize>channels) << 3;
  for (let channel = 0; channel < channels; channel += 4) {
    const valid = channels - channel;
    const c = coefficientsPtr + arrayBytes + ((<usize>channel) << 3);
    const scaleLow = v128.load(c),
      scaleHigh = v128.load(c, 16);
    const shiftLow = v128.load(c + arrayBytes),
      shiftHigh = v128.load(c + arrayBytes, 16);
    const floor = c + 2 * arrayBytes;
    const floorLow = v128.load(floor),
      floorHigh = v128.load(floor, 16);
    let x = xPtr + ((<usize>channel) << 2);
    let z = zPtr + ((<usize>channel) << 2);
    for (let row = 0; row < rows; row++) {
      const value = v128.load(x);
      const yLow = f64x2.add(f64x2.mul(low(value), scaleLow), shiftLow);
      const yHigh = f64x2.add(f64x2.mul(high(value), scaleHigh), shiftHigh);
      storeLanes(z, narrow(f64x2.max(yLow, floorLow), f64x2.max(yHigh, floorHigh)), valid);
      x += rowBytes;
      z += rowBytes;
    }
  }
}

export function filterResponseGradSums(
  xPtr: usize,
  dzPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  sumsPtr: usize,
): void {
  const rowBytes = (<usize>channels) << 2;
  const arrayBytes = (<usize>channels) << 3;
  for (let channel = 0; channel < channels; channel += 4) {
    const valid = channels - channel;
    const at = (<usize>channel) << 3;
    const c = coefficientsPtr + at;
    const invRmsLow = v128.load(c),
      invRmsHigh = v128.load(c, 16);
    const scaleLow = v128.load(c + arrayBytes),
      scaleHigh = v128.load(c + arrayBytes, 16);
    const shift = c + 2 * arrayBytes;
    const shiftLow = v128.load(shift),
      shiftHigh = v128.load(shift, 16);
    const floor = c + 3 * arrayBytes;
    const floorLow = v128.load(floor),
      floorHigh = v128.load(floor, 16);
    let productLow = f64x2.splat(0),
      productHigh = f64x2.splat(0);
    let sumLow = f64x2.splat(0),
      sumHigh = f64x2.splat(0);
    let belowLow = f64x2.splat(0),
      belowHigh = f64x2.splat(0);
    let x = xPtr + ((<usize>channel) << 2);
    let dz = dzPtr + ((<usize>channel) << 2);
    for (let row = 0; row < rows; row++) {
      const value = v128.load(x);
      const grad = v128.load(dz);
      const xLow = low(value),
        xHigh = high(value);
      const gradLow = low(grad),
        gradHigh = high(grad);
      // Not-above includes ties. A NaN counts as above, so that it shows in all gradients.
      const isBelowLow = f64x2.le(f64x2.add(f64x2.mul(xLow, scaleLow), shiftLow), floorLow);
      const isBelowHigh = f64x2.le(f64x2.add(f64x2.mul(xHigh, scaleHigh), shiftHigh), floorHigh);
      const gLow = v128.andnot(gradLow, isBelowLow);
      const gHigh = v128.andnot(gradHigh, isBelowHigh);
      productLow = f64x2.add(productLow, f64x2.mul(gLow, xLow));
      productHigh = f64x2.add(productHigh, f64x2.mul(gHigh, xHigh));
      sumLow = f64x2.add(sumLow, gLow);
      sumHigh = f64x2.add(sumHigh, gHigh);
      belowLow = f64x2.add(belowLow, v128.and(gradLow, isBelowLow));
      belowHigh = f64x2.add(belowHigh, v128.and(gradHigh, isBelowHigh));
      x += rowBytes;
      dz += rowBytes;
    }
    const to = sumsPtr + at;
    storeDoubles(to, f64x2.mul(productLow, invRmsLow), f64x2.mul(productHigh, invRmsHigh), valid);
    storeDoubles(to + arrayBytes, sumLow, sumHigh, valid);
    storeDoubles(to + 2 * arrayBytes, belowLow, belowHigh, valid);
  }
}

// With xhat = x invRms and g = dz above the threshold: dx = scale (g - xhat mean(g xhat)).
export function filterResponseInputGradF32(
  xPtr: usize,
  dzPtr: usize,
  dxPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  sumsPtr: usize,
): void {
  const rowBytes = (<usize>channels) << 2;
  const arrayBytes = (<usize>channels) << 3;
  const counts = f64x2.splat(<f64>rows);
  for (let channel = 0; channel < channels; channel += 4) {
    const valid = channels - channel;
    const at = (<usize>channel) << 3;
    const c = coefficientsPtr + at;
    const scaleLow = v128.load(c + arrayBytes),
      scaleHigh = v128.load(c + arrayBytes, 16);
    const shift = c + 2 * arrayBytes;
    const shiftLow = v128.load(shift),
      shiftHigh = v128.load(shift, 16);
    const floor = c + 3 * arrayBytes;
    const floorLow = v128.load(floor),
      floorHigh = v128.load(floor, 16);
    const s = sumsPtr + at;
    const slopeLow = f64x2.mul(f64x2.div(v128.load(s), counts), v128.load(c));
    const slopeHigh = f64x2.mul(f64x2.div(v128.load(s, 16), counts), v128.load(c, 16));
    let x = xPtr + ((<usize>channel) << 2);
    let dz = dzPtr + ((<usize>channel) << 2);
    let dx = dxPtr + ((<usize>channel) << 2);
    for (let row = 0; row < rows; row++) {
      const value = v128.load(x);
      const grad = v128.load(dz);
      const xLow = low(value),
        xHigh = high(value);
      const isBelowLow = f64x2.le(f64x2.add(f64x2.mul(xLow, scaleLow), shiftLow), floorLow);
      const isBelowHigh = f64x2.le(f64x2.add(f64x2.mul(xHigh, scaleHigh), shiftHigh), floorHigh);
      const gLow = v128.andnot(low(grad), isBelowLow);
      const gHigh = v128.andnot(high(grad), isBelowHigh);
      const outLow = f64x2.mul(f64x2.sub(gLow, f64x2.mul(xLow, slopeLow)), scaleLow);
      const outHigh = f64x2.mul(f64x2.sub(gHigh, f64x2.mul(xHigh, slopeHigh)), scaleHigh);
      storeLanes(dx, narrow(outLow, outHigh), valid);
      x += rowBytes;
      dz += rowBytes;
      dx += rowBytes;
    }
  }
}
