// Losses of [N, ...] float32 outputs, one float64 loss for each sample, and the outputs' gradient.
// All sums are float64 and run over a sample's elements in order. Formulas: abi/loss.ts.

import { expF64, logF64 } from './math';

export function softmaxCrossEntropyF32(
  logitsPtr: usize,
  labelsPtr: usize,
  dlogitsPtr: usize,
  lossPtr: usize,
  correctPtr: usize,
  countSamples: i32,
  classes: i32,
  labelSmoothing: f64,
  globalCount: i32,
): void {
  const rowBytes = (<usize>classes) << 2;
  const gradScale = 1 / <f64>globalCount;
  const spread = labelSmoothing / <f64>classes;
  for (; countSamples > 0; countSamples--) {
    const label = i32.load(labelsPtr);
    let best = 0;
    let highest = f32.load(logitsPtr);
    for (let c = 1; c < classes; c++) {
      const value = f32.load(logitsPtr + ((<usize>c) << 2));
      if (value > highest) {
        highest = value;
        best = c;
      }
    }
    const top = <f64>highest;
    let total: f64 = 0;
    let sum: f64 = 0;
    for (let c = 0; c < classes; c++) {
      const value = <f64>f32.load(logitsPtr + ((<usize>c) << 2)) - top;
      total += expF64(value);
      sum += value;
    }
    const atLabel = <f64>f32.load(logitsPtr + ((<usize>label) << 2)) - top;
    let loss = logF64(total) - (1 - labelSmoothing) * atLabel;
    // Without smoothing a logit of -infinity is allowed, and 0 * infinity must not enter.
    if (labelSmoothing != 0) loss -= spread * sum;
    f64.store(lossPtr, loss);
    i32.store(correctPtr, i32(best == label));
    if (dlogitsPtr) {
      for (let c = 0; c < classes; c++) {
        const value = <f64>f32.load(logitsPtr + ((<usize>c) << 2)) - top;
        const target = (c == label ? 1 - labelSmoothing : 0) + spread;
        const gradient = (expF64(value) / total - target) * gradScale;
        f32.store(dlogitsPtr + ((<usize>c) << 2), <f32>gradient);
      }
      dlogitsPtr += rowBytes;
    }
    logitsPtr += rowBytes;
    labelsPtr += 4;
    lossPtr += 8;
    correctPtr += 4;
  }
}

export function meanSquaredErrorF32(
  predictionPtr: usize,
  targetPtr: usize,
  dpredictionPtr: usize,
  lossPtr: usize,
  countSamples: i32,
  size: i32,
  globalCount: i32,
): void {
  const rowBytes = (<usize>size) << 2;
  const gradScale = 1 / <f64>globalCount;
  const factor = (2 * gradScale) / <f64>size;
  for (; countSamples > 0; countSamples--) {
    let sum: f64 = 0;
    for (let i: usize = 0; i < rowBytes; i += 4) {
      const difference = <f64>f32.load(predictionPtr + i) - <f64>f32.load(targetPtr + i);
      sum += difference * difference;
      if (dpredictionPtr) f32.store(dpredictionPtr + i, <f32>(difference * factor));
    }
    f64.store(lossPtr, sum / <f64>size);
    if (dpredictionPtr) dpredictionPtr += rowBytes;
    predictionPtr += rowBytes;
    targetPtr += rowBytes;
    lossPtr += 8;
  }
}
