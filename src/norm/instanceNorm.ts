// Instance normalization with running statistics, as in PyTorch. Training normalizes each sample
// and channel by its own mean and biased variance, evaluation by the running ones, which average
// the means and unbiased variances of all samples of a global batch equally. There are no
// exchanges: each grain writes its sums to where the worker that updates the running statistics
// reads them.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { BoundReduction } from '../reduce/reduction.ts';
import { bindPasses } from './passes.ts';
import { type BoundGroupNorm, bindGroupNorm, type GroupNormSetup } from './sampleNorm.ts';
import type { RunningPtrs } from './setup.ts';

export interface TrackedInstanceNormSetup extends Omit<GroupNormSetup, 'numGroups' | 'observe'> {
  readonly memory: WebAssembly.Memory;
  /** Weight of the newest observation; `null` averages all observations equally. */
  readonly momentum: number | null;
  readonly running: RunningPtrs;
  /** It is never folded. Its vectors hold the number of samples, the sum of means [C] and the sum
   * of M2 [C]. */
  readonly observed: BoundReduction;
}

export interface BoundTrackedNorm extends BoundGroupNorm {
  updateRunningStatistics(): void;
}

export function bindTrackedInstanceNorm(setup: TrackedInstanceNormSetup): BoundTrackedNorm {
  const { kernels, step, channels, rowsPerSample, countGrains, observed, eps } = setup;
  const numbers = new Float64Array(setup.memory.buffer);
  const { meanPtr, varPtr, countPtr } = setup.running;
  let grain = 0;

  const observe = (sample: number, momentsPtr: number): void => {
    while (sample >= step.grainStart[grain + 1]!) grain++;
    const sumsPtr = observed.leafPtr(grain) + DOUBLE_BYTES;
    kernels.addF64(sumsPtr, sumsPtr, momentsPtr + DOUBLE_BYTES, 2 * channels);
  };
  const passes = bindPasses(setup);
  const bound = bindGroupNorm({ ...setup, numGroups: channels, observe });

  const clear = (): void => {
    grain = 0;
    for (let g = 0; g < countGrains; g++) {
      const at = observed.leafPtr(g) / DOUBLE_BYTES;
      numbers.fill(0, at, at + 1 + 2 * channels);
      numbers[at] = step.grainStart[g + 1]! - step.grainStart[g]!;
    }
  };

  const forwardRunning = (): void => {
    const rows = step.grainStart[countGrains]! * rowsPerSample;
    // A worker that never has samples has no memory for coefficients.
    if (rows === 0) return;
    const { weightPtr, biasPtr, coefficientsPtr } = setup;
    kernels.batchNormCoefficients(
      meanPtr,
      varPtr,
      0,
      channels,
      eps,
      weightPtr,
      biasPtr,
      coefficientsPtr,
    );
    passes.normalize(setup.xPtr, setup.yPtr, rows, channels, coefficientsPtr);
  };

  const sumOver = (place: number): number => {
    let sum = 0;
    for (let g = 0; g < observed.groupPtrs.length; g++) {
      sum += numbers[observed.groupPtrs[g]! / DOUBLE_BYTES + place]!;
    }
    return sum;
  };

  return {
    forward() {
      if (!step.training) return forwardRunning();
      clear();
      bound.forward();
    },
    backward: bound.backward,
    derive: bound.derive,
    updateRunningStatistics() {
      const samples = sumOver(0);
      if (samples === 0) return;
      const updates = numbers[countPtr / DOUBLE_BYTES]! + 1;
      numbers[countPtr / DOUBLE_BYTES] = updates;
      const factor = setup.momentum ?? 1 / updates;
      const degrees = samples * (rowsPerSample - 1);
      for (let channel = 0; channel < channels; channel++) {
        const meanAt = meanPtr / DOUBLE_BYTES + channel;
        const varAt = varPtr / DOUBLE_BYTES + channel;
        const mean = sumOver(1 + channel) / samples;
        const variance = sumOver(1 + channels + channel) / degrees;
        numbers[meanAt] = (1 - factor) * numbers[meanAt]! + factor * mean;
        numbers[varAt] = (1 - factor) * numbers[varAt]! + factor * variance;
      }
    },
  };
}
