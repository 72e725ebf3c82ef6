// Batch renormalization (Ioffe 2017): coefficients corrected toward what the running statistics
// would give, and the matching gradient of the weight.

import { storeCoefficients } from './coefficients';

export function batchRenormCoefficients(
  coefficientsPtr: usize,
  channels: i32,
  eps: f64,
  runningMeanPtr: usize,
  runningVarPtr: usize,
  rMax: f64,
  dMax: f64,
  weightPtr: usize,
  biasPtr: usize,
  correctionsPtr: usize,
): void {
  const arrayBytes = (<usize>channels) << 3;
  for (let channel = 0; channel < channels; channel++) {
    const at = (<usize>channel) << 3;
    const from = (<usize>channel) << 2;
    const mean = f64.load(coefficientsPtr + at);
    const invStd = f64.load(coefficientsPtr + arrayBytes + at);
    const runningStd = Math.sqrt(f64.load(runningVarPtr + at) + eps);
    const r = min(max(1 / (invStd * runningStd), 1 / rMax), rMax);
    const d = min(max((mean - f64.load(runningMeanPtr + at)) / runningStd, -dMax), dMax);
    f64.store(correctionsPtr + at, r);
    f64.store(correctionsPtr + arrayBytes + at, d);
    const weight = weightPtr ? <f64>f32.load(weightPtr + from) : 1;
    const bias = biasPtr ? <f64>f32.load(biasPtr + from) : 0;
    const corrected = bias + weight * d;
    storeCoefficients(coefficientsPtr, channel, channels, mean, invStd, weight * r, corrected);
  }
}

export function batchRenormWeightGrad(
  dstPtr: usize,
  sumDyPtr: usize,
  channels: i32,
  correctionsPtr: usize,
): void {
  const arrayBytes = (<usize>channels) << 3;
  for (let channel = 0; channel < channels; channel++) {
    const at = (<usize>channel) << 3;
    const scaled = f64.load(dstPtr + at) * f64.load(correctionsPtr + at);
    const shift = f64.load(sumDyPtr + at) * f64.load(correctionsPtr + arrayBytes + at);
    f64.store(dstPtr + at, scaled + shift);
  }
}
