// Batch statistics and normalization over [rows, channels], channels last, in float64 lanes: sums
// are taken about a pivot (the first row), so a large mean costs no digits, and one rounding to
// float32 ends each output. Chan, Golub, LeVeque 1979 for merging. A vector is `moments`: count,
// mean[C], M2[C], or `sums`: sum dy [C], sum dy * xhat [C].

import { storeCoefficients } from './coefficients';
import { high, low, narrow, storeLanes } from './lanes';

/** Rows are taken in tiles that stay in the first-level cache while all channel blocks pass over
 * them. */
const TILE_BYTES: i32 = 16384;

@inline
function rowsPerTile(channels: i32): i32 {
  return max(1, TILE_BYTES / (channels << 2));
}

/** Adds the first `count` (1 to 4) lanes of the pair to the float64 numbers at `ptr`. */
@inline
function addLanes(ptr: usize, a: v128, b: v128, count: i32): void {
  if (count >= 4) {
    v128.store(ptr, f64x2.add(v128.load(ptr), a));
    v128.store(ptr, f64x2.add(v128.load(ptr, 16), b), 16);
    return;
  }
  f64.store(ptr, f64.load(ptr) + f64x2.extract_lane(a, 0));
  if (count > 1) f64.store(ptr, f64.load(ptr, 8) + f64x2.extract_lane(a, 1), 8);
  if (count > 2) f64.store(ptr, f64.load(ptr, 16) + f64x2.extract_lane(b, 0), 16);
}

export function momentsF32(xPtr: usize, rows: i32, channels: i32, vectorPtr: usize): void {
  const meanPtr = vectorPtr + 8;
  const m2Ptr = meanPtr + (<usize>channels << 3);
  memory.fill(vectorPtr, 0, 8 + (<usize>channels << 4));
  f64.store(vectorPtr, <f64>rows);
  if (rows == 0) return;
  const rowBytes = <usize>channels << 2;
  const tile = rowsPerTile(channels);
  for (let row = 0; row < rows; row += tile) {
    const end = min(rows, row + tile);
    for (let channel = 0; channel < channels; channel += 4) {
      const at = <usize>channel << 2;
      const pivot = v128.load(xPtr + at);
      const pivotLow = low(pivot);
      const pivotHigh = high(pivot);
      let sumLow = f64x2.splat(0), sumHigh = f64x2.splat(0);
      let squareLow = f64x2.splat(0), squareHigh = f64x2.splat(0);
      let x = xPtr + <usize>row * rowBytes + at;
      for (let i = row; i < end; i++) {
        const value = v128.load(x);
        const dLow = f64x2.sub(low(value), pivotLow);
        const dHigh = f64x2.sub(high(value), pivotHigh);
        sumLow = f64x2.add(sumLow, dLow);
        sumHigh = f64x2.add(sumHigh, dHigh);
        squareLow = f64x2.add(squareLow, f64x2.mul(dLow, dLow));
        squareHigh = f64x2.add(squareHigh, f64x2.mul(dHigh, dHigh));
        x += rowBytes;
      }
      addLanes(meanPtr + (<usize>channel << 3), sumLow, sumHigh, channels - channel);
      addLanes(m2Ptr + (<usize>channel << 3), squareLow, squareHigh, channels - channel);
    }
  }
  const count = <f64>rows;
  for (let channel = 0; channel < channels; channel++) {
    const at = <usize>channel << 3;
    const sum = f64.load(meanPtr + at);
    const shift = sum / count;
    f64.store(meanPtr + at, <f64>f32.load(xPtr + (<usize>channel << 2)) + shift);
    f64.store(m2Ptr + at, max(f64.load(m2Ptr + at) - sum * shift, 0));
  }
}

export function mergeMoments(dstPtr: usize, aPtr: usize, bPtr: usize, channels: i32): void {
  const countA = f64.load(aPtr);
  const countB = f64.load(bPtr);
  if (countA == 0 || countB == 0) {
    const from = countB == 0 ? aPtr : bPtr;
    if (from != dstPtr) memory.copy(dstPtr, from, 8 + (<usize>channels << 4));
    return;
  }
  const count = countA + countB;
  const weightB = countB / count;
  const weightBoth = countA * weightB;
  const m2Bytes = <usize>channels << 3;
  f64.store(dstPtr, count);
  for (let channel = 0; channel < channels; channel++) {
    const at = 8 + (<usize>channel << 3);
    const meanA = f64.load(aPtr + at);
    const delta = f64.load(bPtr + at) - meanA;
    const m2 = f64.load(aPtr + at + m2Bytes) + f64.load(bPtr + at + m2Bytes);
    f64.store(dstPtr + at, meanA + delta * weightB);
    f64.store(dstPtr + at + m2Bytes, m2 + delta * delta * weightBoth);
  }
}

// Coefficients of one normalization: mean[C], scale[C], shift[C], invStd[C], float64.
export function batchNormCoefficients(
  meanPtr: usize,
  m2Ptr: usize,
  countPtr: usize,
  channels: i32,
  eps: f64,
  weightPtr: usize,
  biasPtr: usize,
  coefficientsPtr: usize,
): void {
  const count: f64 = countPtr ? f64.load(countPtr) : 1;
  const arrayBytes = <usize>channels << 3;
  for (let channel = 0; channel < channels; channel++) {
    const at = <usize>channel << 3;
    storeCoefficients(
      coefficientsPtr + at,
      arrayBytes,
      f64.load(meanPtr + at),
      1 / Math.sqrt(f64.load(m2Ptr + at) / count + eps),
      weightPtr ? <f64>f32.load(weightPtr + (<usize>channel << 2)) : 1,
      biasPtr ? <f64>f32.load(biasPtr + (<usize>channel << 2)) : 0,
    );
  }
}

export function normalizeF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
): void {
  const arrayBytes = <usize>channels << 3;
  const rowBytes = <usize>channels << 2;
  const tile = rowsPerTile(channels);
  for (let row = 0; row < rows; row += tile) {
    const end = min(rows, row + tile);
    for (let channel = 0; channel < channels; channel += 4) {
      const valid = channels - channel;
      const c = coefficientsPtr + (<usize>channel << 3);
      const meanLow = v128.load(c), meanHigh = v128.load(c, 16);
      const scaleLow = v128.load(c + arrayBytes), scaleHigh = v128.load(c + arrayBytes, 16);
      const shiftLow = v128.load(c + 2 * arrayBytes), shiftHigh = v128.load(c + 2 * arrayBytes, 16);
      const at = <usize>row * rowBytes + (<usize>channel << 2);
      let x = xPtr + at;
      let y = yPtr + at;
      for (let i = row; i < end; i++) {
        const value = v128.load(x);
        const dLow = f64x2.sub(low(value), meanLow);
        const outLow = f64x2.add(f64x2.mul(dLow, scaleLow), shiftLow);
        const dHigh = f64x2.sub(high(value), meanHigh);
        const outHigh = f64x2.add(f64x2.mul(dHigh, scaleHigh), shiftHigh);
        const out = narrow(outLow, outHigh);
        storeLanes(y, out, valid);
        x += rowBytes;
        y += rowBytes;
      }
    }
  }
}

export function normGradSumsF32(
  xPtr: usize,
  dyPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  vectorPtr: usize,
): void {
  const arrayBytes = <usize>channels << 3;
  const rowBytes = <usize>channels << 2;
  const productPtr = vectorPtr + arrayBytes;
  memory.fill(vectorPtr, 0, arrayBytes << 1);
  // A shard without rows has no coefficients either.
  if (rows == 0) return;
  const tile = rowsPerTile(channels);
  for (let row = 0; row < rows; row += tile) {
    const end = min(rows, row + tile);
    for (let channel = 0; channel < channels; channel += 4) {
      const c = coefficientsPtr + (<usize>channel << 3);
      const meanLow = v128.load(c), meanHigh = v128.load(c, 16);
      const at = <usize>row * rowBytes + (<usize>channel << 2);
      let x = xPtr + at;
      let dy = dyPtr + at;
      let sumLow = f64x2.splat(0), sumHigh = f64x2.splat(0);
      let productLow = f64x2.splat(0), productHigh = f64x2.splat(0);
      for (let i = row; i < end; i++) {
        const value = v128.load(x);
        const grad = v128.load(dy);
        const gradLow = low(grad);
        const gradHigh = high(grad);
        sumLow = f64x2.add(sumLow, gradLow);
        sumHigh = f64x2.add(sumHigh, gradHigh);
        productLow = f64x2.add(productLow, f64x2.mul(gradLow, f64x2.sub(low(value), meanLow)));
        productHigh = f64x2.add(productHigh, f64x2.mul(gradHigh, f64x2.sub(high(value), meanHigh)));
        x += rowBytes;
        dy += rowBytes;
      }
      addLanes(vectorPtr + (<usize>channel << 3), sumLow, sumHigh, channels - channel);
      addLanes(productPtr + (<usize>channel << 3), productLow, productHigh, channels - channel);
    }
  }
  const invStdPtr = coefficientsPtr + 3 * arrayBytes;
  for (let channel = 0; channel < channels; channel++) {
    const at = <usize>channel << 3;
    f64.store(productPtr + at, f64.load(productPtr + at) * f64.load(invStdPtr + at));
  }
}

// Coefficients of an input gradient: mean[C], a[C], b[C], k[C]; dx = a dy - b - k (x - mean).
export function batchNormGradCoefficients(
  sumsPtr: usize,
  countPtr: usize,
  channels: i32,
  coefficientsPtr: usize,
  outPtr: usize,
): void {
  const count = f64.load(countPtr);
  const arrayBytes = <usize>channels << 3;
  for (let channel = 0; channel < channels; channel++) {
    const at = <usize>channel << 3;
    const scale = f64.load(coefficientsPtr + arrayBytes + at);
    const invStd = f64.load(coefficientsPtr + 3 * arrayBytes + at);
    f64.store(outPtr + at, f64.load(coefficientsPtr + at));
    f64.store(outPtr + arrayBytes + at, scale);
    f64.store(outPtr + 2 * arrayBytes + at, (scale * f64.load(sumsPtr + at)) / count);
    f64.store(
      outPtr + 3 * arrayBytes + at,
      (scale * invStd * f64.load(sumsPtr + arrayBytes + at)) / count,
    );
  }
}

export function normInputGradF32(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  rows: i32,
  channels: i32,
  gradCoefficientsPtr: usize,
): void {
  const arrayBytes = <usize>channels << 3;
  const rowBytes = <usize>channels << 2;
  const tile = rowsPerTile(channels);
  for (let row = 0; row < rows; row += tile) {
    const end = min(rows, row + tile);
    for (let channel = 0; channel < channels; channel += 4) {
      const valid = channels - channel;
      const c = gradCoefficientsPtr + (<usize>channel << 3);
      const meanLow = v128.load(c), meanHigh = v128.load(c, 16);
      const aLow = v128.load(c + arrayBytes), aHigh = v128.load(c + arrayBytes, 16);
      const bLow = v128.load(c + 2 * arrayBytes), bHigh = v128.load(c + 2 * arrayBytes, 16);
      const kLow = v128.load(c + 3 * arrayBytes), kHigh = v128.load(c + 3 * arrayBytes, 16);
      const at = <usize>row * rowBytes + (<usize>channel << 2);
      let x = xPtr + at;
      let dy = dyPtr + at;
      let dx = dxPtr + at;
      for (let i = row; i < end; i++) {
        const value = v128.load(x);
        const grad = v128.load(dy);
        const outLow = f64x2.sub(
          f64x2.sub(f64x2.mul(aLow, low(grad)), bLow),
          f64x2.mul(kLow, f64x2.sub(low(value), meanLow)),
        );
        const outHigh = f64x2.sub(
          f64x2.sub(f64x2.mul(aHigh, high(grad)), bHigh),
          f64x2.mul(kHigh, f64x2.sub(high(value), meanHigh)),
        );
        const out = narrow(outLow, outHigh);
        storeLanes(dx, out, valid);
        x += rowBytes;
        dy += rowBytes;
        dx += rowBytes;
      }
    }
  }
}
