// Normalizations of single samples. Group normalization merges the moments of each group's
// channels; layer normalization treats a row as one set. Float64, rounded once.

import { storeCoefficients, storeGradCoefficients } from './coefficients';
import { high, low } from './lanes';

export function groupNormCoefficients(
  vectorPtr: usize,
  channels: i32,
  groups: i32,
  eps: f64,
  weightPtr: usize,
  biasPtr: usize,
  coefficientsPtr: usize,
): void {
  const countRows = f64.load(vectorPtr);
  const arrayBytes = (<usize>channels) << 3;
  const width = channels / groups;
  for (let group = 0; group < groups; group++) {
    const first = group * width;
    let at = 8 + ((<usize>first) << 3);
    let count = countRows;
    let mean = f64.load(vectorPtr + at);
    let m2 = f64.load(vectorPtr + at + arrayBytes);
    for (let i = 1; i < width; i++) {
      at += 8;
      const delta = f64.load(vectorPtr + at) - mean;
      const total = count + countRows;
      const share = countRows / total;
      mean += delta * share;
      m2 += f64.load(vectorPtr + at + arrayBytes) + delta * delta * (count * share);
      count = total;
    }
    const invStd = 1 / Math.sqrt(m2 / count + eps);
    for (let channel = first; channel < first + width; channel++) {
      storeCoefficients(
        coefficientsPtr,
        channel,
        channels,
        mean,
        invStd,
        weightPtr ? <f64>f32.load(weightPtr + ((<usize>channel) << 2)) : 1,
        biasPtr ? <f64>f32.load(biasPtr + ((<usize>channel) << 2)) : 0,
      );
    }
  }
}

export function groupNormGradCoefficients(
  sumsPtr: usize,
  countRows: i32,
  channels: i32,
  groups: i32,
  weightPtr: usize,
  coefficientsPtr: usize,
  outPtr: usize,
): void {
  const arrayBytes = (<usize>channels) << 3;
  const width = channels / groups;
  const count = <f64>countRows * <f64>width;
  for (let group = 0; group < groups; group++) {
    const first = group * width;
    let sum: f64 = 0;
    let product: f64 = 0;
    for (let channel = first; channel < first + width; channel++) {
      const weight = weightOf(weightPtr, channel);
      sum += weight * f64.load(sumsPtr + ((<usize>channel) << 3));
      product += weight * f64.load(sumsPtr + arrayBytes + ((<usize>channel) << 3));
    }
    // The statistics that all channels of the group share.
    const mean = f64.load(coefficientsPtr + ((<usize>first) << 3));
    const invStd = f64.load(coefficientsPtr + arrayBytes + ((<usize>first) << 3));
    const b = (invStd * sum) / count;
    const k = (invStd * invStd * product) / count;
    for (let channel = first; channel < first + width; channel++) {
      const a = invStd * weightOf(weightPtr, channel);
      storeGradCoefficients(outPtr, channel, channels, count, mean, a, b, k);
    }
  }
}

@inline
function weightOf(weightPtr: usize, channel: i32): f64 {
  return weightPtr ? <f64>f32.load(weightPtr + ((<usize>channel) << 2)) : 1;
}

// Statistics of one sample for layerNorm: mean, invStd, float64.
export function layerNormF32(
  xPtr: usize,
  yPtr: usize,
  length: i32,
  eps: f64,
  weightPtr: usize,
  biasPtr: usize,
  statisticsPtr: usize,
): void {
  const pivot = <f64>f32.load(xPtr);
  const pivots = f64x2.splat(pivot);
  const body = length & ~3;
  let sumLow = f64x2.splat(0),
    sumHigh = f64x2.splat(0);
  let squareLow = f64x2.splat(0),
    squareHigh = f64x2.splat(0);
  for (let i = 0; i < body; i += 4) {
    const value = v128.load(xPtr + ((<usize>i) << 2));
    const dLow = f64x2.sub(low(value), pivots);
    const dHigh = f64x2.sub(high(value), pivots);
    sumLow = f64x2.add(sumLow, dLow);
    sumHigh = f64x2.add(sumHigh, dHigh);
    squareLow = f64x2.add(squareLow, f64x2.mul(dLow, dLow));
    squareHigh = f64x2.add(squareHigh, f64x2.mul(dHigh, dHigh));
  }
  let sum = foldLanes(f64x2.add(sumLow, sumHigh));
  let square = foldLanes(f64x2.add(squareLow, squareHigh));
  for (let i = body; i < length; i++) {
    const d = <f64>f32.load(xPtr + ((<usize>i) << 2)) - pivot;
    sum += d;
    square += d * d;
  }
  const shift = sum / <f64>length;
  const mean = pivot + shift;
  const invStd = 1 / Math.sqrt(max(square - sum * shift, 0) / <f64>length + eps);
  f64.store(statisticsPtr, mean);
  f64.store(statisticsPtr, invStd, 8);
  for (let i = 0; i < length; i++) {
    const at = (<usize>i) << 2;
    const normalized = (<f64>f32.load(xPtr + at) - mean) * invStd;
    const weight = weightPtr ? <f64>f32.load(weightPtr + at) : 1;
    const bias = biasPtr ? <f64>f32.load(biasPtr + at) : 0;
    f32.store(yPtr + at, <f32>(normalized * weight + bias));
  }
}

export function layerNormGradF32(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  length: i32,
  weightPtr: usize,
  statisticsPtr: usize,
  weightGradPtr: usize,
  biasGradPtr: usize,
): void {
  const mean = f64.load(statisticsPtr);
  const invStd = f64.load(statisticsPtr, 8);
  let sum: f64 = 0;
  let product: f64 = 0;
  for (let i = 0; i < length; i++) {
    const at = (<usize>i) << 2;
    const dy = <f64>f32.load(dyPtr + at);
    const normalized = (<f64>f32.load(xPtr + at) - mean) * invStd;
    const grad = weightPtr ? dy * <f64>f32.load(weightPtr + at) : dy;
    sum += grad;
    product += grad * normalized;
    const to = (<usize>i) << 3;
    if (weightGradPtr) {
      f64.store(weightGradPtr + to, f64.load(weightGradPtr + to) + dy * normalized);
    }
    if (biasGradPtr) f64.store(biasGradPtr + to, f64.load(biasGradPtr + to) + dy);
  }
  if (!dxPtr) return;
  const meanGrad = sum / <f64>length;
  const meanProduct = product / <f64>length;
  for (let i = 0; i < length; i++) {
    const at = (<usize>i) << 2;
    const dy = <f64>f32.load(dyPtr + at);
    const normalized = (<f64>f32.load(xPtr + at) - mean) * invStd;
    const grad = weightPtr ? dy * <f64>f32.load(weightPtr + at) : dy;
    f32.store(dxPtr + at, <f32>((grad - meanGrad - normalized * meanProduct) * invStd));
  }
}

@inline
function foldLanes(value: v128): f64 {
  return f64x2.extract_lane(value, 0) + f64x2.extract_lane(value, 1);
}
