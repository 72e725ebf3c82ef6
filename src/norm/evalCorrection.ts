// Evaluates batch normalization as training saw it (Singh and Shrivastava 2019, EvalNorm; Summers
// and Dinneen 2020): in training a sample is part of the batch that normalizes it, with weight a =
// 1 / samples. Running statistics ignore that, which matters for small batches. Here each sample is
// normalized by a mixture of itself, with weight a, and the running statistics: mean = a mean_x +
// (1 - a) mean_r, var = a var_x + (1 - a) var_r + a (1 - a) (mean_x - mean_r)^2, where var_x is the
// sample's biased variance over its positions. Nothing is trained for it; EvalNorm also learns a.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { RunningPtrs } from './setup.ts';

export interface EvalMixtureSetup {
  readonly kernels: KernelExports;
  /** The whole memory. */
  readonly numbers: Float64Array;
  readonly channels: number;
  readonly rowsPerSample: number;
  readonly xPtr: number;
  /** Weight of the sample, above 0 and at most 1. */
  readonly weight: number;
  /** C float32. */
  readonly pivotsPtr: number;
  /** 1 + 2 C float64. */
  readonly vectorPtr: number;
}

/** Calls `normalize` for samples [0, count), with the row of each and the addresses of the mean and
 * variance of its mixture. */
export function forEachMixture(
  setup: EvalMixtureSetup,
  running: RunningPtrs,
  count: number,
  normalize: (firstRow: number, meanPtr: number, varPtr: number) => void,
): void {
  const { kernels, numbers, channels, rowsPerSample, weight, vectorPtr } = setup;
  const meanAt = vectorPtr / DOUBLE_BYTES + 1;
  const varAt = meanAt + channels;
  const runningMeanAt = running.meanPtr / DOUBLE_BYTES;
  const runningVarAt = running.varPtr / DOUBLE_BYTES;
  const rest = 1 - weight;
  for (let sample = 0; sample < count; sample++) {
    const firstRow = sample * rowsPerSample;
    const xPtr = setup.xPtr + firstRow * channels * FLOAT_BYTES;
    kernels.momentsF32(xPtr, rowsPerSample, channels, setup.pivotsPtr, vectorPtr);
    for (let c = 0; c < channels; c++) {
      const shift = numbers[meanAt + c]! - numbers[runningMeanAt + c]!;
      const variance = numbers[varAt + c]! / rowsPerSample;
      numbers[meanAt + c] = numbers[runningMeanAt + c]! + weight * shift;
      numbers[varAt + c] =
        weight * variance + rest * numbers[runningVarAt + c]! + weight * rest * shift * shift;
    }
    normalize(firstRow, meanAt * DOUBLE_BYTES, varAt * DOUBLE_BYTES);
  }
}
