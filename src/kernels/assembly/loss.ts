// Losses of [N, ...] float32 outputs, one float64 loss for each sample, and the outputs' gradient.
// All sums are float64 and run over a sample's elements in order. Formulas: abi/loss.ts.

import { expF64, logF64 } from './math';

/** The weight of a sample. */
@inline
function weightOf(weightsPtr: usize, n: i32): f64 {
  return weightsPtr ? f64.load(weightsPtr + ((<usize>n) << 3)) : 1;
}

/** The index of the first of the largest values. */
function firstHighest(ptr: usize, count: i32): i32 {
  let best = 0;
  let highest = f32.load(ptr);
  for (let c = 1; c < count; c++) {
    const value = f32.load(ptr + ((<usize>c) << 2));
    if (value > highest) {
      highest = value;
      best = c;
    }
  }
  return best;
}

/** A class's share of the target distribution, times the weight of the class. */
@inline
function weighedTarget(
  targetPtr: usize,
  classWeightsPtr: usize,
  c: i32,
  label: i32,
  kept: f64,
  spread: f64,
): f64 {
  const at = <usize>c;
  const share = targetPtr
    ? <f64>f32.load(targetPtr + (at << 2)) * kept + spread
    : (c == label ? kept : 0) + spread;
  return classWeightsPtr ? share * f64.load(classWeightsPtr + (at << 3)) : share;
}

/** The loss of one row of logits, with its gradient scaled by `scale`. Adds 1 to the flag at
 * `correctPtr` if the row is correct. */
function rowCrossEntropy(
  logitsPtr: usize,
  targetPtr: usize,
  label: i32,
  dlogitsPtr: usize,
  correctPtr: usize,
  classWeightsPtr: usize,
  classes: i32,
  labelSmoothing: f64,
  scale: f64,
): f64 {
  const spread = labelSmoothing / <f64>classes;
  const kept = 1 - labelSmoothing;
  const best = firstHighest(logitsPtr, classes);
  const top = <f64>f32.load(logitsPtr + ((<usize>best) << 2));
  let total: f64 = 0;
  let sum: f64 = 0;
  for (let c = 0; c < classes; c++) {
    const value = <f64>f32.load(logitsPtr + ((<usize>c) << 2)) - top;
    total += expF64(value);
    sum += value;
  }
  const logTotal = logF64(total);
  let loss: f64 = 0;
  let mass: f64 = 1;
  if (!targetPtr && !classWeightsPtr) {
    loss = logTotal - kept * (<f64>f32.load(logitsPtr + ((<usize>label) << 2)) - top);
    // Without smoothing, logits of -infinity are allowed, and 0 * infinity must be avoided.
    if (labelSmoothing != 0) loss -= spread * sum;
  } else {
    mass = 0;
    for (let c = 0; c < classes; c++) {
      const target = weighedTarget(targetPtr, classWeightsPtr, c, label, kept, spread);
      if (target == 0) continue;
      mass += target;
      loss += target * (logTotal - (<f64>f32.load(logitsPtr + ((<usize>c) << 2)) - top));
    }
  }
  i32.store(correctPtr, i32.load(correctPtr) + i32(best == label));
  if (dlogitsPtr) {
    for (let c = 0; c < classes; c++) {
      const value = <f64>f32.load(logitsPtr + ((<usize>c) << 2)) - top;
      const target = weighedTarget(targetPtr, classWeightsPtr, c, label, kept, spread);
      const gradient = ((expF64(value) / total) * mass - target) * scale;
      f32.store(dlogitsPtr + ((<usize>c) << 2), <f32>gradient);
    }
  }
  return loss;
}

export function softmaxCrossEntropyF32(
  logitsPtr: usize,
  labelsPtr: usize,
  targetsPtr: usize,
  dlogitsPtr: usize,
  lossPtr: usize,
  correctPtr: usize,
  weightsPtr: usize,
  classWeightsPtr: usize,
  countSamples: i32,
  positions: i32,
  classes: i32,
  ignoredLabel: i32,
  labelSmoothing: f64,
  globalCount: i32,
): void {
  const rowBytes = (<usize>classes) << 2;
  const gradScale = 1 / <f64>globalCount / <f64>positions;
  for (let n = 0; n < countSamples; n++) {
    const weight = weightOf(weightsPtr, n);
    let sum: f64 = 0;
    i32.store(correctPtr, 0);
    for (let p = 0; p < positions; p++) {
      const label = targetsPtr ? firstHighest(targetsPtr, classes) : i32.load(labelsPtr);
      if (weight == 0 || (!targetsPtr && label == ignoredLabel)) {
        if (dlogitsPtr) memory.fill(dlogitsPtr, 0, rowBytes);
      } else {
        sum += rowCrossEntropy(
          logitsPtr,
          targetsPtr,
          label,
          dlogitsPtr,
          correctPtr,
          classWeightsPtr,
          classes,
          labelSmoothing,
          gradScale * weight,
        );
      }
      if (dlogitsPtr) dlogitsPtr += rowBytes;
      logitsPtr += rowBytes;
      if (targetsPtr) targetsPtr += rowBytes;
      labelsPtr += 4;
    }
    f64.store(lossPtr, (sum / <f64>positions) * weight);
    lossPtr += 8;
    correctPtr += 4;
  }
}

export function binaryCrossEntropyF32(
  logitsPtr: usize,
  targetsPtr: usize,
  dlogitsPtr: usize,
  lossPtr: usize,
  correctPtr: usize,
  weightsPtr: usize,
  positiveWeightsPtr: usize,
  countSamples: i32,
  size: i32,
  globalCount: i32,
): void {
  const rowBytes = (<usize>size) << 2;
  const gradScale = 1 / <f64>globalCount / <f64>size;
  for (let n = 0; n < countSamples; n++) {
    const weight = weightOf(weightsPtr, n);
    let sum: f64 = 0;
    let isRight = weight != 0;
    if (weight == 0) {
      if (dlogitsPtr) memory.fill(dlogitsPtr, 0, rowBytes);
    } else {
      for (let i: usize = 0; i < rowBytes; i += 4) {
        const x = <f64>f32.load(logitsPtr + i);
        const target = <f64>f32.load(targetsPtr + i);
        const positive = positiveWeightsPtr ? f64.load(positiveWeightsPtr + (i << 1)) : 1;
        // The shares of -log sigmoid(x) and -log sigmoid(-x), which differ by x.
        const share = positive * target;
        const rest = 1 - target;
        const power = expF64(-abs(x));
        if (share != 0) sum += share * (logF64(1 + power) + max(-x, 0));
        if (rest != 0) sum += rest * (logF64(1 + power) + max(x, 0));
        if (x > 0 != target > 0.5) isRight = false;
        if (dlogitsPtr) {
          const near = power / (1 + power);
          const far = 1 / (1 + power);
          const gradient = x >= 0 ? rest * far - share * near : rest * near - share * far;
          f32.store(dlogitsPtr + i, <f32>(gradient * (gradScale * weight)));
        }
      }
    }
    f64.store(lossPtr, (sum / <f64>size) * weight);
    i32.store(correctPtr, i32(isRight));
    if (dlogitsPtr) dlogitsPtr += rowBytes;
    logitsPtr += rowBytes;
    targetsPtr += rowBytes;
    lossPtr += 8;
    correctPtr += 4;
  }
}

export function huberF32(
  predictionPtr: usize,
  targetPtr: usize,
  dpredictionPtr: usize,
  lossPtr: usize,
  weightsPtr: usize,
  countSamples: i32,
  size: i32,
  globalCount: i32,
  curvature: f64,
  delta: f64,
  slope: f64,
): void {
  const rowBytes = (<usize>size) << 2;
  const gradScale = 1 / <f64>globalCount / <f64>size;
  const half = 0.5 * curvature;
  for (let n = 0; n < countSamples; n++) {
    const weight = weightOf(weightsPtr, n);
    let sum: f64 = 0;
    if (weight == 0) {
      if (dpredictionPtr) memory.fill(dpredictionPtr, 0, rowBytes);
    } else {
      const scale = gradScale * weight;
      for (let i: usize = 0; i < rowBytes; i += 4) {
        const difference = <f64>f32.load(predictionPtr + i) - <f64>f32.load(targetPtr + i);
        const distance = abs(difference);
        // Not the other way round, so that NaN counts as near and stays NaN.
        const isFar = distance > delta;
        sum += isFar ? slope * (distance - 0.5 * delta) : half * (difference * difference);
        const gradient = isFar ? copysign(slope, difference) : curvature * difference;
        if (dpredictionPtr) f32.store(dpredictionPtr + i, <f32>(gradient * scale));
      }
    }
    f64.store(lossPtr, (sum / <f64>size) * weight);
    if (dpredictionPtr) dpredictionPtr += rowBytes;
    predictionPtr += rowBytes;
    targetPtr += rowBytes;
    lossPtr += 8;
  }
}
