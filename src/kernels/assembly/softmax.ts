// The softmax of each row of [rows, columns], in float64 lanes, rounded once. Formulas:
// abi/softmax.ts.

import { high, low, narrow, storeLanes } from './lanes';
import { expPair } from './math';

/** The maximum of a row, or NaN if the row has one. */
@inline
function highest(xPtr: usize, columns: i32): f32 {
  let tops = f32x4.splat(-Infinity);
  for (; columns >= 4; columns -= 4, xPtr += 16) tops = f32x4.max(tops, v128.load(xPtr));
  let top = max(
    max(f32x4.extract_lane(tops, 0), f32x4.extract_lane(tops, 1)),
    max(f32x4.extract_lane(tops, 2), f32x4.extract_lane(tops, 3)),
  );
  for (; columns > 0; columns--, xPtr += 4) top = max(top, f32.load(xPtr));
  return top;
}

export function softmaxF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  columns: i32,
  scratchPtr: usize,
): void {
  const rowBytes = (<usize>columns) << 2;
  const scratchEnd = scratchPtr + 2 * rowBytes;
  for (; rows > 0; rows--, xPtr += rowBytes, yPtr += rowBytes) {
    const top = f64x2.splat(<f64>highest(xPtr, columns));
    let x = xPtr;
    for (let to = scratchPtr; to < scratchEnd; to += 32, x += 16) {
      const value = v128.load(x);
      v128.store(to, expPair(f64x2.sub(low(value), top)));
      v128.store(to, expPair(f64x2.sub(high(value), top)), 16);
    }
    let sum: f64 = 0;
    for (let from = scratchPtr; from < scratchEnd; from += 8) sum += f64.load(from);
    const sums = f64x2.splat(sum);
    let y = yPtr;
    let from = scratchPtr;
    for (let n = columns; n > 0; n -= 4, y += 16, from += 32) {
      const lowPart = f64x2.div(v128.load(from), sums);
      storeLanes(y, narrow(lowPart, f64x2.div(v128.load(from, 16), sums)), n);
    }
  }
}

/** The sum of a row's y dy: four chains, then the rest. */
@inline
function dotOf(dyPtr: usize, yPtr: usize, columns: i32): f64 {
  let sum0 = f64x2.splat(0);
  let sum1 = f64x2.splat(0);
  for (; columns >= 4; columns -= 4, dyPtr += 16, yPtr += 16) {
    const dy = v128.load(dyPtr);
    const y = v128.load(yPtr);
    sum0 = f64x2.add(sum0, f64x2.mul(low(dy), low(y)));
    sum1 = f64x2.add(sum1, f64x2.mul(high(dy), high(y)));
  }
  const sums = f64x2.add(sum0, sum1);
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; columns > 0; columns--, dyPtr += 4, yPtr += 4) {
    sum += <f64>f32.load(dyPtr) * <f64>f32.load(yPtr);
  }
  return sum;
}

export function softmaxGradF32(
  dyPtr: usize,
  yPtr: usize,
  dxPtr: usize,
  rows: i32,
  columns: i32,
): void {
  for (; rows > 0; rows--) {
    const dots = f64x2.splat(dotOf(dyPtr, yPtr, columns));
    let n = columns;
    for (; n >= 4; n -= 4, dyPtr += 16, yPtr += 16, dxPtr += 16) {
      v128.store(dxPtr, gradOf(v128.load(dyPtr), v128.load(yPtr), dots));
    }
    storeLanes(dxPtr, gradOf(v128.load(dyPtr), v128.load(yPtr), dots), n);
    const restBytes = (<usize>n) << 2;
    dyPtr += restBytes;
    yPtr += restBytes;
    dxPtr += restBytes;
  }
}

/** y (dy - dot). */
@inline
function gradOf(dy: v128, y: v128, dot: v128): v128 {
  const lowPart = f64x2.mul(low(y), f64x2.sub(low(dy), dot));
  return narrow(lowPart, f64x2.mul(high(y), f64x2.sub(high(dy), dot)));
}
