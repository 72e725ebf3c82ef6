// Batch renormalization (Ioffe 2017): batch normalization whose output is corrected towards what
// the running statistics would give, xhat = (x - mean) / std * r + d with r = clip(std /
// runningStd, 1 / rMax, rMax) and d = clip((mean - runningMean) / runningStd, -dMax, dMax). r and d
// are constants in backward. std = sqrt(biased var + eps), runningStd = sqrt(runningVar + eps).

import { DOUBLE_BYTES } from '../base/bytes.ts';
import { type BatchNormSetup, type BoundBatchNorm, bindBatchNorm } from './batchNorm.ts';
import type { NormGradient, RunningPtrs } from './setup.ts';

export interface BatchRenormSetup extends Omit<BatchNormSetup, 'adjust'> {
  readonly running: RunningPtrs;
  readonly rMax: number;
  readonly dMax: number;
  /** How much of the way to rMax and dMax is gone in this step, from 0 (batch normalization)
   * to 1. */
  readonly ramp: () => number;
  /** 2 C float64 for each local replica, r[C] and d[C], kept from forward to backward. */
  readonly correctionsPtr: number;
}

export function bindBatchRenorm(setup: BatchRenormSetup): BoundBatchNorm {
  const { kernels, channels, shards, sums, running, eps, weightPtr, biasPtr } = setup;
  const correctionsOf = (replica: number): number =>
    setup.correctionsPtr + replica * 2 * channels * DOUBLE_BYTES;

  const adjust = (replica: number, coefficientsPtr: number): void => {
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
      correctionsOf(replica),
    );
  };

  // The gradient of the weight is the sum of dy (xhat r + d) where that of batch normalization is
  // the sum of dy xhat; the sum of dy leads the replica's own sums.
  const corrected = (gradient: NormGradient): NormGradient => ({
    leafPtr: gradient.leafPtr,
    fold(replica) {
      // Without samples there are no corrections either.
      if (shards.replicaStart[replica] !== shards.replicaStart[replica + 1]) {
        const sumDyPtr = sums.leafPtr(replica);
        const correctionsPtr = correctionsOf(replica);
        kernels.batchRenormWeightGrad(gradient.leafPtr, sumDyPtr, channels, correctionsPtr);
      }
      gradient.fold(replica);
    },
  });

  const { weightGrad } = setup;
  return bindBatchNorm({
    ...setup,
    adjust,
    weightGrad: weightGrad === undefined ? undefined : corrected(weightGrad),
  });
}
