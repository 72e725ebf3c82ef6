// Batch renormalization (Ioffe 2017): batch normalization with its output corrected toward what the
// running statistics would give, xhat = (x - mean) / std * r + d with r = clip(std / runningStd, 1
// / rMax, rMax) and d = clip((mean - runningMean) / runningStd, -dMax, dMax). r and d are constants
// in backward. std = sqrt(biased var + eps), runningStd = sqrt(runningVar + eps).

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';
import { type BatchNormSetup, type BoundBatchNorm, bindBatchNorm } from './batchNorm.ts';
import type { RunningPtrs } from './setup.ts';

export interface BatchRenormSetup extends Omit<BatchNormSetup, 'adjust'> {
  readonly running: RunningPtrs;
  readonly rMax: number;
  readonly dMax: number;
  /** The progress toward rMax and dMax in this step, from 0 (batch normalization) to 1. */
  readonly ramp: () => number;
  /** The address of 2 C float64 values for each local sync group, r[C] and d[C], kept from forward
   * to backward. */
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

  // The gradient of the weight is the sum of dy (xhat r + d) instead of the sum of dy xhat as in
  // batch normalization. The sum of dy is the first of the grain's sums.
  const corrected = (gradient: GradientSink): GradientSink => ({
    leafPtr: gradient.leafPtr,
    fold(grain) {
      // A grain without samples has no corrections.
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
