// The parametric ReLU with a slope for each channel, of [rows, channels]. Formulas: abi/prelu.ts.

import { leaky } from './coefficients';
import { addLanes, high, low, storeLanes } from './lanes';

/** The number of rows of some channels that are summed at a time. */
const BAND_ROWS: i32 = 16;

export function preluF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  slopesPtr: usize,
): void {
  const rowBytes = (<usize>channels) << 2;
  for (; rows > 0; rows--, xPtr += rowBytes, yPtr += rowBytes) {
    let x = xPtr;
    let y = yPtr;
    let slopes = slopesPtr;
    let n = channels;
    for (; n >= 8; n -= 8, x += 32, y += 32, slopes += 32) {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const y0 = leaky(x0, x0, v128.load(slopes));
      const y1 = leaky(x1, x1, v128.load(slopes, 16));
      v128.store(y, y0);
      v128.store(y, y1, 16);
    }
    for (; n > 0; n -= 4, x += 16, y += 16, slopes += 16) {
      const value = v128.load(x);
      storeLanes(y, leaky(value, value, v128.load(slopes)), n);
    }
  }
}

export function preluGradF32(
  dyPtr: usize,
  xPtr: usize,
  dxPtr: usize,
  rows: i32,
  channels: i32,
  slopesPtr: usize,
): void {
  const rowBytes = (<usize>channels) << 2;
  for (; rows > 0; rows--, dyPtr += rowBytes, xPtr += rowBytes, dxPtr += rowBytes) {
    let dy = dyPtr;
    let x = xPtr;
    let dx = dxPtr;
    let slopes = slopesPtr;
    let n = channels;
    for (; n >= 8; n -= 8, dy += 32, x += 32, dx += 32, slopes += 32) {
      const dx0 = leaky(v128.load(dy), v128.load(x), v128.load(slopes));
      const dx1 = leaky(v128.load(dy, 16), v128.load(x, 16), v128.load(slopes, 16));
      v128.store(dx, dx0);
      v128.store(dx, dx1, 16);
    }
    for (; n > 0; n -= 4, dy += 16, x += 16, dx += 16, slopes += 16) {
      storeLanes(dx, leaky(v128.load(dy), v128.load(x), v128.load(slopes)), n);
    }
  }
}

export function preluSlopeSumsF32(
  dyPtr: usize,
  xPtr: usize,
  rows: i32,
  channels: i32,
  sumsPtr: usize,
): void {
  memory.fill(sumsPtr, 0, (<usize>channels) << 3);
  const rowBytes = (<usize>channels) << 2;
  const bodyBytes = rowBytes & ~31;
  const bandBytes = BAND_ROWS * rowBytes;
  for (; rows > 0; rows -= BAND_ROWS, dyPtr += bandBytes, xPtr += bandBytes) {
    const count = min(rows, BAND_ROWS);
    let at: usize = 0;
    for (; at < bodyBytes; at += 32) {
      addEight(dyPtr + at, xPtr + at, count, rowBytes, sumsPtr + 2 * at);
    }
    for (; at < rowBytes; at += 16) {
      const valid = <i32>(rowBytes - at) >> 2;
      addFour(dyPtr + at, xPtr + at, count, rowBytes, sumsPtr + 2 * at, valid);
    }
  }
}

/** dy where x is not above 0, else 0. */
@inline
function below(dy: v128, x: v128): v128 {
  return v128.andnot(dy, f32x4.gt(x, f32x4.splat(0)));
}

@inline
function addProduct(sum: v128, dy: v128, x: v128): v128 {
  return f64x2.add(sum, f64x2.mul(dy, x));
}

/** Adds eight channels of several rows. */
@inline
function addEight(dyPtr: usize, xPtr: usize, rows: i32, rowBytes: usize, sumsPtr: usize): void {
  let low0 = v128.load(sumsPtr);
  let high0 = v128.load(sumsPtr, 16);
  let low1 = v128.load(sumsPtr, 32);
  let high1 = v128.load(sumsPtr, 48);
  for (; rows > 0; rows--, dyPtr += rowBytes, xPtr += rowBytes) {
    const x0 = v128.load(xPtr);
    const dy0 = below(v128.load(dyPtr), x0);
    low0 = addProduct(low0, low(dy0), low(x0));
    high0 = addProduct(high0, high(dy0), high(x0));
    const x1 = v128.load(xPtr, 16);
    const dy1 = below(v128.load(dyPtr, 16), x1);
    low1 = addProduct(low1, low(dy1), low(x1));
    high1 = addProduct(high1, high(dy1), high(x1));
  }
  v128.store(sumsPtr, low0);
  v128.store(sumsPtr, high0, 16);
  v128.store(sumsPtr, low1, 32);
  v128.store(sumsPtr, high1, 48);
}

/** Adds four channels of several rows, or only the first `valid` channels. */
@inline
function addFour(
  dyPtr: usize,
  xPtr: usize,
  rows: i32,
  rowBytes: usize,
  sumsPtr: usize,
  valid: i32,
): void {
  for (; rows > 0; rows--, dyPtr += rowBytes, xPtr += rowBytes) {
    const x = v128.load(xPtr);
    const dy = below(v128.load(dyPtr), x);
    addLanes(sumsPtr, f64x2.mul(low(dy), low(x)), f64x2.mul(high(dy), high(x)), valid);
  }
}
