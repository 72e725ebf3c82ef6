// The rate with which each step enters an average of the weights: average += rate (weights -
// average), in float64 with one rounding. The average begins in a step with rate 1.

import type { AveragingSpec } from './averaging.ts';

/** The rate with which the weights after a step, counted from 0, enter the average; 0 if they do
 * not. */
export function averageRateAt(
  averaging: AveragingSpec,
  step: number,
  stepsPerEpoch: number,
): number {
  if (averaging.kind === 'ema') return step === 0 ? 1 : 1 - averaging.decay;
  const epoch = (step + 1) / stepsPerEpoch;
  if (!Number.isInteger(epoch) || epoch < averaging.fromEpoch) return 0;
  return 1 / (epoch - averaging.fromEpoch + 1);
}

/** The number of steps after which the average exists. */
export function firstAverage(averaging: AveragingSpec, stepsPerEpoch: number): number {
  return averaging.kind === 'ema' ? 1 : averaging.fromEpoch * stepsPerEpoch;
}
