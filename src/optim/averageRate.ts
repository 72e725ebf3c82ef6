// With which rate each step takes part in an average of the weights: average += rate (weights -
// average), in float64 with one rounding. In a step of rate 1 the average begins.

import type { AveragingSpec } from './averaging.ts';

/** With which rate the average takes the weights after a step, counted from 0; 0 where it does
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

/** After how many steps of the run there is an average. */
export function firstAverage(averaging: AveragingSpec, stepsPerEpoch: number): number {
  return averaging.kind === 'ema' ? 1 : averaging.fromEpoch * stepsPerEpoch;
}
