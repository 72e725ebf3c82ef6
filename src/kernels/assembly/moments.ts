// Moments of each channel of [rows, channels] float32: count, mean[C], M2[C] in float64. The sums
// are float64; the squares of many rows are computed in float32 lanes about a pivot near the mean,
// four rows as a tree, each tree added in float64. If that would cost digits, because the pivot is
// far from the mean or squares leave float32's range, the channel is recomputed in float64 alone.
// Merging: Chan, Golub, LeVeque 1979.

import { IS_WIDE } from './build';
import { addLanes, high, low, narrow, storeLanes } from './lanes';
import { addByProduct, mulAdd } from './math';

/** With fewer rows the rounding of float32 does not average out. */
const MIN_ROWS: i32 = 128;
/** With few channels all gradients may be small, as sums over replicas that cancel, and would then
 * show an error of the variance that large ones hide. */
const MIN_CHANNELS: i32 = 8;
/** Eight are 5 % faster within the caches, but read more rows at once than prefetchers can
 * follow. */
const TREE_ROWS: i32 = 4;
/** The number of evenly spaced rows that are averaged for the pivot, which is then a quarter of a
 * standard deviation from the mean if rows are independent. */
const PIVOT_ROWS: i32 = 16;
/** The maximum ratio of the squares about the pivot to M2, 1 + z^2 for a pivot z standard
 * deviations from the mean. It amplifies the rounding of float32. */
const MAX_AMPLIFICATION: f64 = 3;
/** Replaces M2, which is never negative, to mark a channel for recomputation in float64. */
const MARK: f64 = -1;
/** Mean squares below this may have lost digits to float32's subnormal numbers. */
const MIN_SQUARE: f64 = 1e-30;

export function momentsF32(
  xPtr: usize,
  rows: i32,
  channels: i32,
  pivotsPtr: usize,
  vectorPtr: usize,
): void {
  memory.fill(vectorPtr, 0, 8 + ((<usize>channels) << 4));
  f64.store(vectorPtr, <f64>rows);
  if (rows == 0) return;
  if (rows < MIN_ROWS || channels < MIN_CHANNELS) {
    const m2Ptr = vectorPtr + 8 + ((<usize>channels) << 3);
    for (let i = 0; i < channels; i++) f64.store(m2Ptr + ((<usize>i) << 3), MARK);
    for (let channel = 0; channel < channels; channel += 8) {
      exactMoments(xPtr, rows, channels, channel, vectorPtr);
    }
    return;
  }
  const rowBytes = (<usize>channels) << 2;
  findPivots(xPtr, rows, channels, pivotsPtr);
  const body = rows & ~(TREE_ROWS - 1);
  const treeBytes = rowBytes * TREE_ROWS;
  // 1, but unknown to the compiler, which would rebuild a constant repeatedly.
  const count = f64.load(vectorPtr);
  const one = f64x2.splat(count / count);
  let x = xPtr;
  for (let row = 0; row < body; row += TREE_ROWS) {
    addTree(x, pivotsPtr, channels, vectorPtr, one);
    x += treeBytes;
  }
  for (let row = body; row < rows; row++) {
    addRow(x, pivotsPtr, channels, vectorPtr);
    x += rowBytes;
  }
  finishMoments(xPtr, pivotsPtr, channels, vectorPtr);
}

/** Writes the means of some rows, as float32. */
function findPivots(xPtr: usize, rows: i32, channels: i32, pivotsPtr: usize): void {
  const strideBytes = (<usize>(rows / PIVOT_ROWS) * <usize>channels) << 2;
  const share = f64x2.splat(1 / <f64>PIVOT_ROWS);
  for (let channel = 0; channel < channels; channel += 4) {
    const at = (<usize>channel) << 2;
    let x = xPtr + at;
    let sumLow = f64x2.splat(0),
      sumHigh = f64x2.splat(0);
    for (let i = 0; i < PIVOT_ROWS; i++) {
      const value = v128.load(x);
      sumLow = f64x2.add(sumLow, low(value));
      sumHigh = f64x2.add(sumHigh, high(value));
      x += strideBytes;
    }
    const means = narrow(f64x2.mul(sumLow, share), f64x2.mul(sumHigh, share));
    storeLanes(pivotsPtr + at, means, channels - channel);
  }
}

/** Adds four rows, and their squares about the pivot. */
@inline
function addTree(xPtr: usize, pivotsPtr: usize, channels: i32, vectorPtr: usize, one: v128): void {
  const rowBytes = (<usize>channels) << 2;
  const bodyBytes = rowBytes & ~15;
  const sumPtr = vectorPtr + 8;
  for (let at: usize = 0; at < bodyBytes; at += 16) {
    addBlock(xPtr + at, pivotsPtr + at, rowBytes, sumPtr + 2 * at, 4, one);
  }
  if (bodyBytes == rowBytes) return;
  addBlock(
    xPtr + bodyBytes,
    pivotsPtr + bodyBytes,
    rowBytes,
    sumPtr + 2 * bodyBytes,
    channels & 3,
    one,
  );
}

/** {@link addTree} of `valid` channels, up to four. */
@inline
function addBlock(
  xPtr: usize,
  pivotPtr: usize,
  rowBytes: usize,
  sumPtr: usize,
  valid: i32,
  one: v128,
): void {
  const pivot = v128.load(pivotPtr);
  let sumLow = v128.load(sumPtr);
  let sumHigh = v128.load(sumPtr, 16);
  const x0 = v128.load(xPtr);
  const x1 = v128.load(xPtr + rowBytes);
  sumLow = f64x2.add(f64x2.add(sumLow, low(x0)), low(x1));
  sumHigh = addByProduct(
    addByProduct(sumHigh, highAt(xPtr, x0), one),
    highAt(xPtr + rowBytes, x1),
    one,
  );
  const square0 = squares(x0, x1, pivot);
  const x2 = v128.load(xPtr + 2 * rowBytes);
  const x3 = v128.load(xPtr + 3 * rowBytes);
  sumLow = f64x2.add(f64x2.add(sumLow, low(x2)), low(x3));
  sumHigh = addByProduct(
    addByProduct(sumHigh, highAt(xPtr + 2 * rowBytes, x2), one),
    highAt(xPtr + 3 * rowBytes, x3),
    one,
  );
  const square = f32x4.add(square0, squares(x2, x3, pivot));
  storeDoubles(sumPtr, sumLow, sumHigh, valid);
  addLanes(sumPtr + 2 * rowBytes, low(square), high(square), valid);
}

/** The upper two of the four floats `x` at `ptr` as float64. Newer engines convert on load at no
 * cost; older ones shuffle faster. */
@inline
function highAt(ptr: usize, x: v128): v128 {
  return IS_WIDE ? f64x2.promote_low_f32x4(v128.load64_zero(ptr, 8)) : high(x);
}

/** Stores the first `count` (1 to 4) lanes of a pair. */
@inline
function storeDoubles(ptr: usize, a: v128, b: v128, count: i32): void {
  if (count > 1) v128.store(ptr, a);
  else f64.store(ptr, f64x2.extract_lane(a, 0));
  if (count > 3) v128.store(ptr, b, 16);
  else if (count > 2) f64.store(ptr, f64x2.extract_lane(b, 0), 16);
}

@inline
function squares(x: v128, y: v128, pivot: v128): v128 {
  const a = f32x4.sub(x, pivot);
  const b = f32x4.sub(y, pivot);
  return mulAdd(a, a, f32x4.mul(b, b));
}

/** {@link addTree} of one row. */
function addRow(xPtr: usize, pivotPtr: usize, channels: i32, vectorPtr: usize): void {
  let sumPtr = vectorPtr + 8;
  const squareBytes = (<usize>channels) << 3;
  for (let valid = channels; valid > 0; valid -= 4) {
    const x = v128.load(xPtr);
    const d = f32x4.sub(x, v128.load(pivotPtr));
    const square = f32x4.mul(d, d);
    addLanes(sumPtr, low(x), high(x), valid);
    addLanes(sumPtr + squareBytes, low(square), high(square), valid);
    sumPtr += 32;
    xPtr += 16;
    pivotPtr += 16;
  }
}

/** Turns sums into mean and M2. */
function finishMoments(xPtr: usize, pivotPtr: usize, channels: i32, vectorPtr: usize): void {
  const count = f64.load(vectorPtr);
  const meanPtr = vectorPtr + 8;
  const m2Ptr = meanPtr + ((<usize>channels) << 3);
  for (let channel = 0; channel < channels; channel++) {
    const at = (<usize>channel) << 3;
    const mean = f64.load(meanPtr + at) / count;
    const shift = mean - <f64>f32.load(pivotPtr + ((<usize>channel) << 2));
    const square = f64.load(m2Ptr + at);
    const m2 = square - count * shift * shift;
    const inRange = square == 0 || square >= count * MIN_SQUARE;
    // NaN and infinity fail, and an infinite square of finite numbers is found in float64.
    const isGood = inRange && m2 * MAX_AMPLIFICATION >= square && square < Infinity;
    f64.store(meanPtr + at, mean);
    f64.store(m2Ptr + at, isGood ? m2 : MARK);
  }
  for (let channel = 0; channel < channels; channel += 8) {
    let isBad = false;
    for (let i = channel; i < min(channel + 8, channels); i++) {
      isBad = isBad || f64.load(m2Ptr + ((<usize>i) << 3)) == MARK;
    }
    if (isBad) exactMoments(xPtr, <i32>count, channels, channel, vectorPtr);
  }
}

/** Recomputes the marked ones of the eight channels from `channel` on in float64 lanes, about the
 * first row. Eight channels at once, since the sums of only four would wait for each other. */
function exactMoments(xPtr: usize, rows: i32, channels: i32, channel: i32, vectorPtr: usize): void {
  const rowBytes = (<usize>channels) << 2;
  const valid = channels - channel;
  // If there are only four, they are processed twice.
  const next: usize = valid > 4 ? 16 : 0;
  let x = xPtr + ((<usize>channel) << 2);
  const pivot0 = v128.load(x);
  const pivot1 = v128.load(x + next);
  const pivotLow0 = low(pivot0),
    pivotHigh0 = high(pivot0);
  const pivotLow1 = low(pivot1),
    pivotHigh1 = high(pivot1);
  let sumLow0 = f64x2.splat(0),
    sumHigh0 = f64x2.splat(0);
  let sumLow1 = f64x2.splat(0),
    sumHigh1 = f64x2.splat(0);
  let squareLow0 = f64x2.splat(0),
    squareHigh0 = f64x2.splat(0);
  let squareLow1 = f64x2.splat(0),
    squareHigh1 = f64x2.splat(0);
  const count = <f64>rows;
  // As in momentsF32.
  const one = f64x2.splat(count / count);
  for (let i = 0; i < rows; i++) {
    const value0 = v128.load(x);
    const low0 = f64x2.sub(low(value0), pivotLow0);
    sumLow0 = addExactly(sumLow0, low0, one);
    squareLow0 = f64x2.add(squareLow0, f64x2.mul(low0, low0));
    const high0 = f64x2.sub(highAt(x, value0), pivotHigh0);
    sumHigh0 = addExactly(sumHigh0, high0, one);
    squareHigh0 = f64x2.add(squareHigh0, f64x2.mul(high0, high0));
    const value1 = v128.load(x + next);
    const low1 = f64x2.sub(low(value1), pivotLow1);
    sumLow1 = addExactly(sumLow1, low1, one);
    squareLow1 = f64x2.add(squareLow1, f64x2.mul(low1, low1));
    const high1 = f64x2.sub(highAt(x + next, value1), pivotHigh1);
    sumHigh1 = addExactly(sumHigh1, high1, one);
    squareHigh1 = f64x2.add(squareHigh1, f64x2.mul(high1, high1));
    x += rowBytes;
  }
  const m2Bytes = (<usize>channels) << 3;
  const to = vectorPtr + 8 + ((<usize>channel) << 3);
  replaceMarked(to, m2Bytes, pivotLow0, sumLow0, squareLow0, count, valid);
  if (valid > 2) {
    replaceMarked(to + 16, m2Bytes, pivotHigh0, sumHigh0, squareHigh0, count, valid - 2);
  }
  if (valid > 4) {
    replaceMarked(to + 32, m2Bytes, pivotLow1, sumLow1, squareLow1, count, valid - 4);
  }
  if (valid > 6) {
    replaceMarked(to + 48, m2Bytes, pivotHigh1, sumHigh1, squareHigh1, count, valid - 6);
  }
}

/** sum + a on the pipes that are free. The narrow builds lack a register to compute it as a
 * product. */
@inline
function addExactly(sum: v128, a: v128, one: v128): v128 {
  return IS_WIDE ? addByProduct(sum, a, one) : f64x2.add(sum, a);
}

/** Stores mean and M2 of one or two channels if they are marked. */
function replaceMarked(
  meanPtr: usize,
  m2Bytes: usize,
  pivots: v128,
  sums: v128,
  squares: v128,
  count: f64,
  valid: i32,
): void {
  const shifts = f64x2.div(sums, f64x2.splat(count));
  const means = f64x2.add(pivots, shifts);
  // A maximum that keeps NaN.
  const m2s = f64x2.max(f64x2.sub(squares, f64x2.mul(sums, shifts)), f64x2.splat(0));
  if (f64.load(meanPtr + m2Bytes) == MARK) {
    f64.store(meanPtr, f64x2.extract_lane(means, 0));
    f64.store(meanPtr + m2Bytes, f64x2.extract_lane(m2s, 0));
  }
  if (valid > 1 && f64.load(meanPtr + m2Bytes, 8) == MARK) {
    f64.store(meanPtr, f64x2.extract_lane(means, 1), 8);
    f64.store(meanPtr + m2Bytes, f64x2.extract_lane(m2s, 1), 8);
  }
}

export function mergeMoments(dstPtr: usize, aPtr: usize, bPtr: usize, channels: i32): void {
  const countA = f64.load(aPtr);
  const countB = f64.load(bPtr);
  if (countA == 0 || countB == 0) {
    const from = countB == 0 ? aPtr : bPtr;
    if (from != dstPtr) memory.copy(dstPtr, from, 8 + ((<usize>channels) << 4));
    return;
  }
  const count = countA + countB;
  const weightB = countB / count;
  const weightBoth = countA * weightB;
  const m2Bytes = (<usize>channels) << 3;
  f64.store(dstPtr, count);
  for (let channel = 0; channel < channels; channel++) {
    const at = 8 + ((<usize>channel) << 3);
    const meanA = f64.load(aPtr + at);
    const delta = f64.load(bPtr + at) - meanA;
    const m2 = f64.load(aPtr + at + m2Bytes) + f64.load(bPtr + at + m2Bytes);
    f64.store(dstPtr + at, meanA + delta * weightB);
    f64.store(dstPtr + at + m2Bytes, m2 + delta * delta * weightBoth);
  }
}
