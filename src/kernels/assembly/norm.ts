// What batch normalization over [rows, channels] needs beside the moments and the passes over
// elements: coefficients, and the sums of dy and dy xhat. Sums over many rows and channels go in
// float32 lanes, four rows as a tree, blocks of four trees added in float64; others in float64
// alone.

import {
  narrowCoefficients,
  restOf,
  storeCoefficients,
  storeGradCoefficients,
  unblocked,
} from './coefficients';
import { addLanes, high, low } from './lanes';
import { mulAdd } from './math';

/** Eight are 10 % faster within the caches and a quarter slower beyond them. */
const TREE_ROWS: i32 = 4;
/** So many rows are summed in float32, tree by tree, before their sums are added in float64. */
const BLOCK_ROWS: i32 = 16;
/** Sums cancel, so their error is judged by the largest sum of the tensor: of few rows the rounding
 * of float32 does not average out, and of few channels none may be large. */
const MIN_ROWS: i32 = 64;
const MIN_CHANNELS: i32 = 16;

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
  for (let channel = 0; channel < channels; channel++) {
    const at = (<usize>channel) << 3;
    storeCoefficients(
      coefficientsPtr,
      channel,
      channels,
      f64.load(meanPtr + at),
      1 / Math.sqrt(f64.load(m2Ptr + at) / count + eps),
      weightPtr ? <f64>f32.load(weightPtr + ((<usize>channel) << 2)) : 1,
      biasPtr ? <f64>f32.load(biasPtr + ((<usize>channel) << 2)) : 0,
    );
  }
}

export function batchNormGradCoefficients(
  sumsPtr: usize,
  countPtr: usize,
  channels: i32,
  coefficientsPtr: usize,
  outPtr: usize,
): void {
  const count = f64.load(countPtr);
  const arrayBytes = (<usize>channels) << 3;
  const scalePtr = narrowCoefficients(coefficientsPtr, channels) + ((<usize>channels) << 2);
  for (let channel = 0; channel < channels; channel++) {
    const at = (<usize>channel) << 3;
    const invStd = f64.load(coefficientsPtr + arrayBytes + at);
    const scale = <f64>f32.load(scalePtr + ((<usize>channel) << 2));
    storeGradCoefficients(
      outPtr,
      channel,
      channels,
      count,
      f64.load(coefficientsPtr + at),
      scale,
      (scale * f64.load(sumsPtr + at)) / count,
      (scale * invStd * f64.load(sumsPtr + arrayBytes + at)) / count,
    );
  }
}

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
  // A shard without rows has no coefficients either.
  if (rows == 0) return;
  const isLong = rows >= MIN_ROWS && channels >= MIN_CHANNELS;
  const body = isLong ? rows & ~(TREE_ROWS - 1) : 0;
  const treeBytes = rowBytes * TREE_ROWS;
  const narrowPtr = narrowCoefficients(coefficientsPtr, channels);
  for (let row = 0; row < body; ) {
    const end = min(row + BLOCK_ROWS, body);
    addTree(xPtr, dyPtr, channels, narrowPtr, scratchPtr, true, isRelu);
    for (row += TREE_ROWS; row < end; row += TREE_ROWS) {
      xPtr += treeBytes;
      dyPtr += treeBytes;
      addTree(xPtr, dyPtr, channels, narrowPtr, scratchPtr, false, isRelu);
    }
    xPtr += treeBytes;
    dyPtr += treeBytes;
    addBlockSums(scratchPtr, channels, vectorPtr);
  }
  for (let channel = 0; channel < channels; channel += 4) {
    addExact(xPtr, dyPtr, rows - body, channels, channel, coefficientsPtr, vectorPtr, isRelu);
  }
  const productPtr = vectorPtr + ((<usize>channels) << 3);
  const invStdPtr = coefficientsPtr + ((<usize>channels) << 3);
  for (let channel = 0; channel < channels; channel++) {
    const at = (<usize>channel) << 3;
    // The products are with x - m, m the mean in float32.
    const rest = restOf(f64.load(coefficientsPtr + at)) * f64.load(vectorPtr + at);
    f64.store(productPtr + at, (f64.load(productPtr + at) - rest) * f64.load(invStdPtr + at));
  }
}

/** Adds four rows' dy and dy (x - m), m the mean in float32, to float32 sums: for every four
 * channels two vectors at `sumsPtr`, which the first tree of a block begins. */
@inline
function addTree(
  xPtr: usize,
  dyPtr: usize,
  channels: i32,
  narrowPtr: usize,
  sumsPtr: usize,
  isFirst: bool,
  isRelu: bool,
): void {
  const rowBytes = (<usize>channels) << 2;
  for (let at: usize = 0; at < rowBytes; at += 16) {
    const mean = v128.load(narrowPtr + at);
    const scale = isRelu ? v128.load(narrowPtr + rowBytes + at) : mean;
    const base = isRelu ? v128.load(narrowPtr + 2 * rowBytes + at) : mean;
    const x = xPtr + at;
    const dy = dyPtr + at;
    // Pair by pair, which keeps all in registers.
    const d0 = f32x4.sub(v128.load(x), mean);
    const dy0 = gradOf(dy, d0, scale, base, isRelu);
    const d1 = f32x4.sub(v128.load(x + rowBytes), mean);
    const dy1 = gradOf(dy + rowBytes, d1, scale, base, isRelu);
    const sum0 = f32x4.add(dy0, dy1);
    const product0 = mulAdd(dy0, d0, f32x4.mul(dy1, d1));
    const d2 = f32x4.sub(v128.load(x + 2 * rowBytes), mean);
    const dy2 = gradOf(dy + 2 * rowBytes, d2, scale, base, isRelu);
    const d3 = f32x4.sub(v128.load(x + 3 * rowBytes), mean);
    const dy3 = gradOf(dy + 3 * rowBytes, d3, scale, base, isRelu);
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
function addBlockSums(sumsPtr: usize, channels: i32, vectorPtr: usize): void {
  const productBytes = (<usize>channels) << 3;
  for (let valid = channels; valid > 0; valid -= 4) {
    const sum = v128.load(sumsPtr);
    const product = v128.load(sumsPtr, 16);
    addLanes(vectorPtr, low(sum), high(sum), valid);
    addLanes(vectorPtr + productBytes, low(product), high(product), valid);
    sumsPtr += 32;
    vectorPtr += 32;
  }
}

/** dy, blocked where a relu behind the norm gave 0; `d` is x - m. */
@inline
function gradOf(dyPtr: usize, d: v128, scale: v128, base: v128, isRelu: bool): v128 {
  const dy = v128.load(dyPtr);
  return isRelu ? unblocked(dy, mulAdd(d, scale, base)) : dy;
}

/** Adds any number of rows, four channels from `channel` on, in float64 alone. */
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
    const dy = gradOf(dyPtr, f32x4.sub(x, mean), scale, base, isRelu);
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
