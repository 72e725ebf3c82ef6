// The coefficients of batch normalization, which follow from moments and from the sums of dy and
// dy xhat.

import { narrowCoefficients, storeCoefficients, storeGradCoefficients } from './coefficients';

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
