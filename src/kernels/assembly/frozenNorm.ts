// Normalization by constants: its coefficients, and its input gradient, which is dy times one
// factor per channel. It does not read the input, so a NaN there does not spread to it.

import { storeCoefficients } from './coefficients';
import { high, low, narrow, storeLanes } from './lanes';

export function frozenNormCoefficients(
  meanPtr: usize,
  varPtr: usize,
  channels: i32,
  eps: f64,
  weightPtr: usize,
  biasPtr: usize,
  coefficientsPtr: usize,
  scalePtr: usize,
): void {
  for (let channel = 0; channel < channels; channel++) {
    const at = (<usize>channel) << 3;
    const mean = f64.load(meanPtr + at);
    const invStd = 1 / Math.sqrt(f64.load(varPtr + at) + eps);
    const weight: f64 = weightPtr ? f64.load(weightPtr + at) : 1;
    const bias: f64 = biasPtr ? f64.load(biasPtr + at) : 0;
    storeCoefficients(coefficientsPtr, channel, channels, mean, invStd, weight, bias);
    f64.store(scalePtr + at, invStd * weight);
  }
}

export function scaleRowsF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  scalePtr: usize,
): void {
  const rowBytes = (<usize>channels) << 2;
  for (let channel = 0; channel < channels; channel += 4) {
    const valid = channels - channel;
    const c = scalePtr + ((<usize>channel) << 3);
    const scaleLow = v128.load(c),
      scaleHigh = v128.load(c, 16);
    let x = xPtr + ((<usize>channel) << 2);
    let y = yPtr + ((<usize>channel) << 2);
    for (let row = 0; row < rows; row++) {
      const value = v128.load(x);
      const out = narrow(f64x2.mul(low(value), scaleLow), f64x2.mul(high(value), scaleHigh));
      storeLanes(y, out, valid);
      x += rowBytes;
      y += rowBytes;
    }
  }
}
