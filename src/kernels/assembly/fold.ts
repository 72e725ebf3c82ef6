// The folds of the tree over replicas, dst = a + b elementwise (dst may be a or b), with copies,
// zeros, and the sums over rows for bias gradients.

import { addLanes, high, low, storeLanes } from './lanes';

/** The number of rows of some channels that are summed at a time. */
const BAND_ROWS: i32 = 16;

export function addF32(dstPtr: usize, aPtr: usize, bPtr: usize, length: i32): void {
  for (; length >= 8; length -= 8, dstPtr += 32, aPtr += 32, bPtr += 32) {
    const sum0 = f32x4.add(v128.load(aPtr), v128.load(bPtr));
    const sum1 = f32x4.add(v128.load(aPtr, 16), v128.load(bPtr, 16));
    v128.store(dstPtr, sum0);
    v128.store(dstPtr, sum1, 16);
  }
  for (; length > 0; length -= 4, dstPtr += 16, aPtr += 16, bPtr += 16) {
    storeLanes(dstPtr, f32x4.add(v128.load(aPtr), v128.load(bPtr)), length);
  }
}

export function addF64(dstPtr: usize, aPtr: usize, bPtr: usize, length: i32): void {
  for (; length >= 4; length -= 4, dstPtr += 32, aPtr += 32, bPtr += 32) {
    const sum0 = f64x2.add(v128.load(aPtr), v128.load(bPtr));
    const sum1 = f64x2.add(v128.load(aPtr, 16), v128.load(bPtr, 16));
    v128.store(dstPtr, sum0);
    v128.store(dstPtr, sum1, 16);
  }
  for (; length > 0; length--, dstPtr += 8, aPtr += 8, bPtr += 8) {
    f64.store(dstPtr, f64.load(aPtr) + f64.load(bPtr));
  }
}

export function narrowF64(dstPtr: usize, srcPtr: usize, length: i32): void {
  for (let i = 0; i < length; i++) {
    f32.store(dstPtr + ((<usize>i) << 2), <f32>f64.load(srcPtr + ((<usize>i) << 3)));
  }
}

export function columnSumsF32(dyPtr: usize, rows: i32, channels: i32, sumsPtr: usize): void {
  memory.fill(sumsPtr, 0, (<usize>channels) << 3);
  const rowBytes = (<usize>channels) << 2;
  const bodyBytes = rowBytes & ~31;
  for (; rows > 0; rows -= BAND_ROWS, dyPtr += BAND_ROWS * rowBytes) {
    const count = min(rows, BAND_ROWS);
    let at: usize = 0;
    for (; at < bodyBytes; at += 32) addEight(dyPtr + at, count, rowBytes, sumsPtr + 2 * at);
    for (; at < rowBytes; at += 16) {
      const valid = <i32>(rowBytes - at) >> 2;
      addFour(dyPtr + at, count, rowBytes, sumsPtr + 2 * at, valid);
    }
  }
}

/** Adds eight channels of several rows. */
@inline
function addEight(dyPtr: usize, rows: i32, rowBytes: usize, sumsPtr: usize): void {
  let low0 = v128.load(sumsPtr);
  let high0 = v128.load(sumsPtr, 16);
  let low1 = v128.load(sumsPtr, 32);
  let high1 = v128.load(sumsPtr, 48);
  for (; rows > 0; rows--, dyPtr += rowBytes) {
    const dy0 = v128.load(dyPtr);
    low0 = f64x2.add(low0, low(dy0));
    high0 = f64x2.add(high0, high(dy0));
    const dy1 = v128.load(dyPtr, 16);
    low1 = f64x2.add(low1, low(dy1));
    high1 = f64x2.add(high1, high(dy1));
  }
  v128.store(sumsPtr, low0);
  v128.store(sumsPtr, high0, 16);
  v128.store(sumsPtr, low1, 32);
  v128.store(sumsPtr, high1, 48);
}

/** Adds four channels of several rows, or only the first `valid` channels. */
@inline
function addFour(dyPtr: usize, rows: i32, rowBytes: usize, sumsPtr: usize, valid: i32): void {
  for (; rows > 0; rows--, dyPtr += rowBytes) {
    const dy = v128.load(dyPtr);
    addLanes(sumsPtr, low(dy), high(dy), valid);
  }
}

export function copyF32(dstPtr: usize, srcPtr: usize, length: i32): void {
  memory.copy(dstPtr, srcPtr, (<usize>length) << 2);
}

export function zeroBytes(ptr: usize, countBytes: usize): void {
  memory.fill(ptr, 0, countBytes);
}
