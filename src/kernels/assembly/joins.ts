// Kernels of products of two tensors. Formulas and bits: abi/joins.ts. Vectors of four read past
// the end of a row; only elements of the row are stored.

import { high, low, narrow, storeLanes } from './lanes';

export function multiplyF32(aPtr: usize, bPtr: usize, dstPtr: usize, n: i32): void {
  for (; n >= 8; n -= 8, dstPtr += 32, aPtr += 32, bPtr += 32) {
    const product0 = f32x4.mul(v128.load(aPtr), v128.load(bPtr));
    const product1 = f32x4.mul(v128.load(aPtr, 16), v128.load(bPtr, 16));
    v128.store(dstPtr, product1, 16);
    v128.store(dstPtr, product0);
  }
  for (; n > 0; n -= 4, dstPtr += 16, aPtr += 16, bPtr += 16) {
    storeLanes(dstPtr, f32x4.mul(v128.load(aPtr), v128.load(bPtr)), n);
  }
}

export function gateF32(
  xPtr: usize,
  gPtr: usize,
  yPtr: usize,
  countSamples: i32,
  countPixels: i32,
  channels: i32,
): void {
  const rowBytes = (<usize>channels) << 2;
  for (; countSamples > 0; countSamples--, gPtr += rowBytes) {
    for (let pixels = countPixels; pixels > 0; pixels--, xPtr += rowBytes, yPtr += rowBytes) {
      multiplyF32(xPtr, gPtr, yPtr, channels);
    }
  }
}

export function gateGradF32(
  dyPtr: usize,
  xPtr: usize,
  dgPtr: usize,
  countSamples: i32,
  countPixels: i32,
  channels: i32,
): void {
  const rowBytes = (<usize>channels) << 2;
  const sampleBytes = rowBytes * <usize>countPixels;
  for (; countSamples > 0; countSamples--, dyPtr += sampleBytes, xPtr += sampleBytes) {
    for (let c = 0; c < channels; c += 4) {
      let sumLow = f64x2.splat(0);
      let sumHigh = f64x2.splat(0);
      let offset = (<usize>c) << 2;
      for (let pixels = countPixels; pixels > 0; pixels--, offset += rowBytes) {
        const dy = v128.load(dyPtr + offset);
        const x = v128.load(xPtr + offset);
        sumLow = f64x2.add(sumLow, f64x2.mul(low(dy), low(x)));
        sumHigh = f64x2.add(sumHigh, f64x2.mul(high(dy), high(x)));
      }
      storeLanes(dgPtr + ((<usize>c) << 2), narrow(sumLow, sumHigh), channels - c);
    }
    dgPtr += rowBytes;
  }
}
