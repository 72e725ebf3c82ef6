// The sums of dy and dy xhat of each channel that the backward pass of a normalization needs. Sums
// over many rows and channels are computed in float32 lanes, four rows as a tree, with blocks of
// four trees added in float64; others only in float64.

import { IS_WIDE } from './build';
import { narrowCoefficients, restOf, unblocked } from './coefficients';
import { addLanes, high, low } from './lanes';
import { mulAdd } from './math';

/** Eight are 10 % faster within the caches and a quarter slower beyond them. */
const TREE_ROWS: i32 = 4;
/** The number of rows that are summed in float32, tree by tree, before their sums are added in
 * float64. */
const BLOCK_ROWS: i32 = 16;
/** Sums cancel, so their error is relative to the largest sum of the tensor. With few rows the
 * rounding of float32 does not average out, and with few channels no sum may be large. */
const MIN_ROWS: i32 = 64;
const MIN_CHANNELS: i32 = 16;

export function normGradSumsF32(
  xPtr: usize,
  dyPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  scratchPtr: usize,
  vectorPtr: usize,
): void {
  gradSums(xPtr, dyPtr, rows, channels, coefficientsPtr, scratchPtr, vectorPtr, false);
}

export function normReluGradSumsF32(
  xPtr: usize,
  dyPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  scratchPtr: usize,
  vectorPtr: usize,
): void {
  gradSums(xPtr, dyPtr, rows, channels, coefficientsPtr, scratchPtr, vectorPtr, true);
}

@inline
function gradSums(
  xPtr: usize,
  dyPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  scratchPtr: usize,
  vectorPtr: usize,
  isRelu: bool,
): void {
  const rowBytes = (<usize>channels) << 2;
  memory.fill(vectorPtr, 0, (<usize>channels) << 4);
  // A shard without rows has no coefficients.
  if (rows == 0) return;
  const isLong = rows >= MIN_ROWS && channels >= MIN_CHANNELS;
  const body = isLong ? rows & ~(TREE_ROWS - 1) : 0;
  const treeBytes = rowBytes * TREE_ROWS;
  const narrowPtr = narrowCoefficients(coefficientsPtr, channels);
  // The bytes that are processed eight channels at a time, which is a fifth slower than four if
  // vectors are not packed.
  const pairBytes: usize = IS_WIDE ? rowBytes & ~31 : 0;
  for (let row = 0; row < body; ) {
    const end = min(row + BLOCK_ROWS, body);
    for (let at: usize = 0; at < pairBytes; at += 32) {
      const trees = (end - row) / TREE_ROWS;
      sumEight(xPtr + at, dyPtr + at, trees, narrowPtr + at, rowBytes, scratchPtr, isRelu);
      addEight(scratchPtr, vectorPtr + 2 * at, 2 * rowBytes);
    }
    addTree(xPtr, dyPtr, pairBytes, channels, narrowPtr, scratchPtr, true, isRelu);
    for (row += TREE_ROWS; row < end; row += TREE_ROWS) {
      xPtr += treeBytes;
      dyPtr += treeBytes;
      addTree(xPtr, dyPtr, pairBytes, channels, narrowPtr, scratchPtr, false, isRelu);
    }
    xPtr += treeBytes;
    dyPtr += treeBytes;
    addBlockSums(scratchPtr, pairBytes, channels, vectorPtr);
  }
  // Makes both branches leave the same scratch.
  if (body > 0) memory.fill(scratchPtr, 0, 2 * ((rowBytes + 15) & ~15));
  for (let channel = 0; channel < channels && body < rows; channel += 4) {
    addExact(xPtr, dyPtr, rows - body, channels, channel, coefficientsPtr, vectorPtr, isRelu);
  }
  const productPtr = vectorPtr + ((<usize>channels) << 3);
  const invStdPtr = coefficientsPtr + ((<usize>channels) << 3);
  for (let channel = 0; channel < channels; channel++) {
    const at = (<usize>channel) << 3;
    // The products use x - m, with the float32 mean m.
    const rest = restOf(f64.load(coefficientsPtr + at)) * f64.load(vectorPtr + at);
    f64.store(productPtr + at, (f64.load(productPtr + at) - rest) * f64.load(invStdPtr + at));
  }
}

/** Adds dy and dy (x - m) of four rows, with the float32 mean m, to float32 sums, from the channel
 * at `from` bytes on. There are two vectors at `sumsPtr` for every four channels; the first tree
 * of a block initializes them. */
@inline
function addTree(
  xPtr: usize,
  dyPtr: usize,
  from: usize,
  channels: i32,
  narrowPtr: usize,
  sumsPtr: usize,
  isFirst: bool,
  isRelu: bool,
): void {
  const rowBytes = (<usize>channels) << 2;
  for (let at = from; at < rowBytes; at += 16) {
    const mean = v128.load(narrowPtr + at);
    const scale = isRelu ? v128.load(narrowPtr + rowBytes + at) : mean;
    const base = isRelu ? v128.load(narrowPtr + 2 * rowBytes + at) : mean;
    const x = xPtr + at;
    const dy = dyPtr + at;
    // Pair by pair, which keeps everything in registers.
    const d0 = f32x4.sub(v128.load(x), mean);
    const dy0 = gradOf(v128.load(dy), d0, scale, base, isRelu);
    const d1 = f32x4.sub(v128.load(x + rowBytes), mean);
    const dy1 = gradOf(v128.load(dy + rowBytes), d1, scale, base, isRelu);
    const sum0 = f32x4.add(dy0, dy1);
    const product0 = mulAdd(dy0, d0, f32x4.mul(dy1, d1));
    const d2 = f32x4.sub(v128.load(x + 2 * rowBytes), mean);
    const dy2 = gradOf(v128.load(dy + 2 * rowBytes), d2, scale, base, isRelu);
    const d3 = f32x4.sub(v128.load(x + 3 * rowBytes), mean);
    const dy3 = gradOf(v128.load(dy + 3 * rowBytes), d3, scale, base, isRelu);
    let sum = f32x4.add(sum0, f32x4.add(dy2, dy3));
    let product = f32x4.add(product0, mulAdd(dy2, d2, f32x4.mul(dy3, d3)));
    const to = sumsPtr + 2 * at;
    if (!isFirst) {
      sum = f32x4.add(v128.load(to), sum);
      product = f32x4.add(v128.load(to, 16), product);
    }
    v128.store(to, sum);
    v128.store(to, product, 16);
  }
}

/** Adds the float32 sums of a block of rows to the vector. */
@inline
function addBlockSums(sumsPtr: usize, from: usize, channels: i32, vectorPtr: usize): void {
  const rowBytes = (<usize>channels) << 2;
  for (let at = from; at < rowBytes; at += 16) {
    const valid = <i32>(rowBytes - at) >> 2;
    const to = vectorPtr + 2 * at;
    addFloats(to, v128.load(sumsPtr + 2 * at), valid);
    addFloats(to + 2 * rowBytes, v128.load(sumsPtr + 2 * at, 16), valid);
  }
}

/** Adds four float32 numbers, or the first `valid`, to float64 ones. */
@inline
function addFloats(toPtr: usize, values: v128, valid: i32): void {
  addLanes(toPtr, low(values), high(values), valid);
}

/** The sums of eight channels of a block: two vectors of dy, then two of dy (x - m). */
@inline
function sumEight(
  xPtr: usize,
  dyPtr: usize,
  trees: i32,
  narrowPtr: usize,
  rowBytes: usize,
  sumsPtr: usize,
  isRelu: bool,
): void {
  const mean0 = v128.load(narrowPtr);
  const mean1 = v128.load(narrowPtr, 16);
  const scalePtr = narrowPtr + rowBytes;
  const scale0 = isRelu ? v128.load(scalePtr) : mean0;
  const scale1 = isRelu ? v128.load(scalePtr, 16) : mean1;
  const basePtr = scalePtr + rowBytes;
  const base0 = isRelu ? v128.load(basePtr) : mean0;
  const base1 = isRelu ? v128.load(basePtr, 16) : mean1;
  let sum0 = f32x4.splat(0);
  let sum1 = f32x4.splat(0);
  let product0 = f32x4.splat(0);
  let product1 = f32x4.splat(0);
  for (; trees > 0; trees--) {
    // Pair by pair of rows, which keeps everything in registers.
    let d0 = f32x4.sub(v128.load(xPtr), mean0);
    let d1 = f32x4.sub(v128.load(xPtr, 16), mean1);
    let g0 = gradOf(v128.load(dyPtr), d0, scale0, base0, isRelu);
    let g1 = gradOf(v128.load(dyPtr, 16), d1, scale1, base1, isRelu);
    xPtr += rowBytes;
    dyPtr += rowBytes;
    let e0 = f32x4.sub(v128.load(xPtr), mean0);
    let e1 = f32x4.sub(v128.load(xPtr, 16), mean1);
    let h0 = gradOf(v128.load(dyPtr), e0, scale0, base0, isRelu);
    let h1 = gradOf(v128.load(dyPtr, 16), e1, scale1, base1, isRelu);
    xPtr += rowBytes;
    dyPtr += rowBytes;
    const treeSum0 = f32x4.add(g0, h0);
    const treeSum1 = f32x4.add(g1, h1);
    const treeProduct0 = mulAdd(g0, d0, f32x4.mul(h0, e0));
    const treeProduct1 = mulAdd(g1, d1, f32x4.mul(h1, e1));
    d0 = f32x4.sub(v128.load(xPtr), mean0);
    d1 = f32x4.sub(v128.load(xPtr, 16), mean1);
    g0 = gradOf(v128.load(dyPtr), d0, scale0, base0, isRelu);
    g1 = gradOf(v128.load(dyPtr, 16), d1, scale1, base1, isRelu);
    xPtr += rowBytes;
    dyPtr += rowBytes;
    e0 = f32x4.sub(v128.load(xPtr), mean0);
    e1 = f32x4.sub(v128.load(xPtr, 16), mean1);
    h0 = gradOf(v128.load(dyPtr), e0, scale0, base0, isRelu);
    h1 = gradOf(v128.load(dyPtr, 16), e1, scale1, base1, isRelu);
    xPtr += rowBytes;
    dyPtr += rowBytes;
    sum0 = f32x4.add(sum0, f32x4.add(treeSum0, f32x4.add(g0, h0)));
    sum1 = f32x4.add(sum1, f32x4.add(treeSum1, f32x4.add(g1, h1)));
    product0 = f32x4.add(product0, f32x4.add(treeProduct0, mulAdd(g0, d0, f32x4.mul(h0, e0))));
    product1 = f32x4.add(product1, f32x4.add(treeProduct1, mulAdd(g1, d1, f32x4.mul(h1, e1))));
  }
  v128.store(sumsPtr, sum0);
  v128.store(sumsPtr, sum1, 16);
  v128.store(sumsPtr, product0, 32);
  v128.store(sumsPtr, product1, 48);
}

/** Adds the results of {@link sumEight} to the vector. */
@inline
function addEight(sumsPtr: usize, vectorPtr: usize, productBytes: usize): void {
  addFloats(vectorPtr, v128.load(sumsPtr), 4);
  addFloats(vectorPtr + 32, v128.load(sumsPtr, 16), 4);
  addFloats(vectorPtr + productBytes, v128.load(sumsPtr, 32), 4);
  addFloats(vectorPtr + productBytes + 32, v128.load(sumsPtr, 48), 4);
}

/** dy, or 0 where the output of the relu after the norm is 0; `d` is x - m. */
@inline
function gradOf(dy: v128, d: v128, scale: v128, base: v128, isRelu: bool): v128 {
  return isRelu ? unblocked(dy, mulAdd(d, scale, base)) : dy;
}

/** Adds any number of rows, four channels from `channel` on, only in float64. */
@inline
function addExact(
  xPtr: usize,
  dyPtr: usize,
  rows: i32,
  channels: i32,
  channel: i32,
  coefficientsPtr: usize,
  vectorPtr: usize,
  isRelu: bool,
): void {
  const rowBytes = (<usize>channels) << 2;
  const at = (<usize>channel) << 2;
  const narrowPtr = narrowCoefficients(coefficientsPtr, channels) + at;
  const mean = v128.load(narrowPtr);
  const scale = isRelu ? v128.load(narrowPtr + rowBytes) : mean;
  const base = isRelu ? v128.load(narrowPtr + 2 * rowBytes) : mean;
  const meanLow = low(mean),
    meanHigh = high(mean);
  let sumLow = f64x2.splat(0),
    sumHigh = f64x2.splat(0);
  let productLow = f64x2.splat(0),
    productHigh = f64x2.splat(0);
  xPtr += at;
  dyPtr += at;
  for (let i = 0; i < rows; i++) {
    const x = v128.load(xPtr);
    const dy = gradOf(v128.load(dyPtr), f32x4.sub(x, mean), scale, base, isRelu);
    const dyLow = low(dy);
    const dyHigh = high(dy);
    sumLow = f64x2.add(sumLow, dyLow);
    sumHigh = f64x2.add(sumHigh, dyHigh);
    productLow = f64x2.add(productLow, f64x2.mul(dyLow, f64x2.sub(low(x), meanLow)));
    productHigh = f64x2.add(productHigh, f64x2.mul(dyHigh, f64x2.sub(high(x), meanHigh)));
    xPtr += rowBytes;
    dyPtr += rowBytes;
  }
  const valid = channels - channel;
  const sumPtr = vectorPtr + (at << 1);
  addLanes(sumPtr, sumLow, sumHigh, valid);
  addLanes(sumPtr + ((<usize>channels) << 3), productLow, productHigh, valid);
}
