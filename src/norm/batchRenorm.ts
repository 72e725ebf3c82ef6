// Batch renormalization (Ioffe 2017): batch normalization whose output is corrected towards what
// the running statistics would give, xhat = (x - mean) / std * r + d with r = clip(std /
// runningStd, 1 / rMax, rMax) and d = clip((mean - runningMean) / runningStd, -dMax, dMax). r and d
// are constants in backward. std = sqrt(biased var + eps), runningStd = sqrt(runningVar + eps).

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';
import { type BatchNormSetup, type BoundBatchNorm, bindBatchNorm } from './batchNorm.ts';
import type { RunningPtrs } from './setup.ts';

export interface BatchRenormSetup extends Omit<BatchNormSetup, 'adjust'> {
  readonly running: RunningPtrs;
  readonly rMax: number;
  readonly dMax: number;
  /** How much of the way to rMax and dMax is gone in this step, from 0 (batch normalization)
   * to 1. */
  readonly ramp: () => number;
  /** 2 C float64 for each local sync group, r[C] and d[C], kept from forward to backward. */
  readonly correctionsPtr: number;
}

export function bindBatchRenorm(setup: BatchRenormSetup): BoundBatchNorm {
  const { kernels, channels, step, sums, running, eps, weightPtr, biasPtr } = setup;
  const correctionsOf = (group: number): number =>
    setup.correctionsPtr + group * 2 * channels * DOUBLE_BYTES;
  const groupOf = sums.groups.flatMap(
    ({ lo, hi }, group) => Array(hi - lo).fill(group) as number[],
  );

  const adjust = (group: number, coefficientsPtr: number): void => {
    const ramp = setup.ramp();
    kernels.batchRenormCoefficients(
      coefficientsPtr,
      channels,
      eps,
      running.meanPtr,
      running.varPtr,
      1 + ramp * (setup.rMax - 1),
      ramp * setup.dMax,
      weightPtr,
      biasPtr,
      correctionsOf(group),
    );
  };

  // The gradient of the weight is the sum of dy (xhat r + d) where that of batch normalization is
  // the sum of dy xhat; the sum of dy leads the grain's own sums.
  const corrected = (gradient: GradientSink): GradientSink => ({
    leafPtr: gradient.leafPtr,
    fold(grain) {
      // Without samples there are no corrections either.
      if (step.grainStart[grain] !== step.grainStart[grain + 1]) {
        const sumDyPtr = sums.leafPtr(grain);
        const correctionsPtr = correctionsOf(groupOf[grain]!);
        kernels.batchRenormWeightGrad(gradient.leafPtr(grain), sumDyPtr, channels, correctionsPtr);
      }
      gradient.fold(grain);
    },
  });

  const { weightGrad } = setup;
  return bindBatchNorm({
    ...setup,
    adjust,
    weightGrad: weightGrad === undefined ? undefined : corrected(weightGrad),
  });
}
