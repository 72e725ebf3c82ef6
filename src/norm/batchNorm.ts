// Batch normalization over [rows, channels] (Ioffe and Szegedy 2015), bound to addresses. Knows no
// threads: the statistics of a sync group come from the reductions that it is given. Running
// statistics follow PyTorch: running = (1 - momentum) running + momentum observed, with the
// unbiased variance.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { UsageError } from '../base/errors.ts';
import {
  type BoundReduction,
  type ExchangingPasses,
  runSplit,
  type SplitPass,
} from '../reduce/reduction.ts';
import { gradCoefficientsLength } from './coefficients.ts';
import { forEachMixture } from './evalCorrection.ts';
import { bindPasses } from './passes.ts';
import type { NormSetup, RunningPtrs } from './setup.ts';

export interface BatchNormSetup extends NormSetup {
  /** The layer's name in errors. */
  readonly path: string;
  readonly memory: WebAssembly.Memory;
  readonly channels: number;
  /** Positions per sample: H * W. */
  readonly rowsPerSample: number;
  /** Weight of the newest observation; `null` averages all observations alike. */
  readonly momentum: number | null;
  /** Undefined without running statistics. */
  readonly running: RunningPtrs | undefined;
  /** {@link coefficientsLength} float64, for the groups of `moments`. */
  readonly coefficientsPtr: number;
  /** Both over the same groups. */
  readonly moments: BoundReduction;
  readonly sums: BoundReduction;
  /** Changes scale and shift of a local group's coefficients before they are used in training;
   * what it changes them by counts as constant in backward (batchRenorm.ts). */
  readonly adjust?: (group: number, coefficientsPtr: number) => void;
  /** Weight of a sample in what it is evaluated by (evalCorrection.ts); default 0. */
  readonly evalWeight?: number;
}

/** How many float64 numbers the coefficients of all local sync groups take, and those of one's
 * gradient. */
export function coefficientsLength(channels: number, countGroups: number): number {
  return 4 * channels * countGroups + gradCoefficientsLength(channels);
}

export interface BoundBatchNorm {
  forward(): void;
  backward(): void;
  updateRunningStatistics(): void;
  /** The passes of training, cut where they exchange; undefined where they exchange nothing. */
  readonly exchanging: ExchangingPasses | undefined;
}

/** Binds the passes of a batch normalization. */
export function bindBatchNorm(setup: BatchNormSetup): BoundBatchNorm {
  const { kernels, step, channels, moments, sums, xPtr, yPtr, running, countGrains } = setup;
  const { groups, groupPtrs } = moments;
  const rowBytes = channels * FLOAT_BYTES;
  const sampleBytes = setup.rowsPerSample * rowBytes;
  const setBytes = 4 * channels * DOUBLE_BYTES;
  const passes = bindPasses(kernels, setup.isRelu);
  const gradCoefficientsPtr = setup.coefficientsPtr + groups.length * setBytes;
  const numbers = new Float64Array(setup.memory.buffer);
  const meanBytes = channels * DOUBLE_BYTES;

  const rowsIn = (lo: number, hi: number): number =>
    (step.grainStart[hi]! - step.grainStart[lo]!) * setup.rowsPerSample;
  const offsetOf = (grain: number): number => step.grainStart[grain]! * sampleBytes;
  const coefficientsOf = (group: number): number => setup.coefficientsPtr + group * setBytes;

  const normalize = (group: number): void => {
    const { lo, hi, resultPtr } = groups[group]!;
    const rows = rowsIn(lo, hi);
    if (rows === 0) return;
    if (numbers[resultPtr / DOUBLE_BYTES]! < 2) throw oneValueError(setup.path);
    const coefficientsPtr = coefficientsOf(group);
    const meanPtr = resultPtr + DOUBLE_BYTES;
    kernels.batchNormCoefficients(
      meanPtr,
      meanPtr + meanBytes,
      resultPtr,
      channels,
      setup.eps,
      setup.weightPtr,
      setup.biasPtr,
      coefficientsPtr,
    );
    setup.adjust?.(group, coefficientsPtr);
    const at = offsetOf(lo);
    passes.normalize(xPtr + at, yPtr + at, rows, channels, coefficientsPtr);
  };

  const takeMoments = (): void => {
    for (let grain = 0; grain < countGrains; grain++) {
      const at = xPtr + offsetOf(grain);
      // The coefficients are computed later: until then their place is free for the pivots.
      const pivotsPtr = setup.coefficientsPtr;
      kernels.momentsF32(at, rowsIn(grain, grain + 1), channels, pivotsPtr, moments.leafPtr(grain));
    }
  };

  const forwardPass: SplitPass = {
    before: takeMoments,
    reduction: moments,
    after() {
      for (let group = 0; group < groups.length; group++) normalize(group);
    },
  };

  const forwardRunning = (
    meanPtr: number,
    varPtr: number,
    firstRow: number,
    rows: number,
  ): void => {
    const { eps, weightPtr, biasPtr, coefficientsPtr } = setup;
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
    const at = firstRow * rowBytes;
    passes.normalize(xPtr + at, yPtr + at, rows, channels, coefficientsPtr);
  };

  // The coefficients are computed behind each sample's moments, and gradients are none here: their
  // places are free for pivots and moments.
  const mixture = {
    ...{ kernels, numbers, channels, rowsPerSample: setup.rowsPerSample, xPtr },
    weight: setup.evalWeight ?? 0,
    pivotsPtr: setup.coefficientsPtr,
    vectorPtr: gradCoefficientsPtr,
  };
  const evaluate = (by: RunningPtrs): void => {
    const samples = step.grainStart[countGrains]!;
    const { rowsPerSample } = setup;
    if (mixture.weight === 0) {
      forwardRunning(by.meanPtr, by.varPtr, 0, samples * rowsPerSample);
      return;
    }
    forEachMixture(mixture, by, samples, (firstRow, meanPtr, varPtr) => {
      forwardRunning(meanPtr, varPtr, firstRow, rowsPerSample);
    });
  };

  // As pairs of float32.
  const copyVector = (toPtr: number, fromPtr: number): void =>
    kernels.copyF32(toPtr, fromPtr, 2 * channels);

  const inputGradient = (group: number): void => {
    const { lo, hi, resultPtr } = groups[group]!;
    const rows = rowsIn(lo, hi);
    if (rows === 0) return;
    const coefficientsPtr = coefficientsOf(group);
    kernels.batchNormGradCoefficients(
      sums.groups[group]!.resultPtr,
      resultPtr,
      channels,
      coefficientsPtr,
      gradCoefficientsPtr,
    );
    const at = offsetOf(lo);
    passes.inputGrad(
      xPtr + at,
      setup.dyPtr + at,
      setup.dxPtr + at,
      rows,
      channels,
      coefficientsPtr,
      gradCoefficientsPtr,
    );
  };

  const observedGroups = (): number => {
    let total = 0;
    for (let g = 0; g < groupPtrs.length; g++) total += numbers[groupPtrs[g]! / DOUBLE_BYTES]!;
    return total;
  };

  // Averages the sync groups' means and unbiased variances, weighted by their counts; with one
  // group these are the global batch's own. Without values nothing changes.
  const updateRunning = ({ meanPtr, varPtr, countPtr }: RunningPtrs): void => {
    const total = observedGroups();
    if (total === 0) return;
    const updates = numbers[countPtr / DOUBLE_BYTES]! + 1;
    numbers[countPtr / DOUBLE_BYTES] = updates;
    const factor = setup.momentum ?? 1 / updates;
    for (let channel = 0; channel < channels; channel++) {
      let mean = 0;
      let variance = 0;
      for (let g = 0; g < groupPtrs.length; g++) {
        const at = groupPtrs[g]! / DOUBLE_BYTES;
        const count = numbers[at]!;
        if (count === 0) continue;
        mean += numbers[at + 1 + channel]! * (count / total);
        variance += (numbers[at + 1 + channels + channel]! / (count - 1)) * (count / total);
      }
      const meanAt = meanPtr / DOUBLE_BYTES + channel;
      const varAt = varPtr / DOUBLE_BYTES + channel;
      numbers[meanAt] = (1 - factor) * numbers[meanAt]! + factor * mean;
      numbers[varAt] = (1 - factor) * numbers[varAt]! + factor * variance;
    }
  };

  const takeGrainGradSums = (grain: number, coefficientsPtr: number): void => {
    const at = offsetOf(grain);
    const leafPtr = sums.leafPtr(grain);
    // The gradient's coefficients are computed later: until then their place is free.
    passes.gradSums(
      xPtr + at,
      setup.dyPtr + at,
      rowsIn(grain, grain + 1),
      channels,
      coefficientsPtr,
      gradCoefficientsPtr,
      leafPtr,
    );
    if (setup.weightGrad !== undefined) {
      copyVector(setup.weightGrad.leafPtr(grain), leafPtr + meanBytes);
      setup.weightGrad.fold(grain);
    }
    if (setup.biasGrad !== undefined) {
      copyVector(setup.biasGrad.leafPtr(grain), leafPtr);
      setup.biasGrad.fold(grain);
    }
  };

  const takeGradSums = (): void => {
    for (let group = 0; group < groups.length; group++) {
      const { lo, hi } = groups[group]!;
      for (let grain = lo; grain < hi; grain++) takeGrainGradSums(grain, coefficientsOf(group));
    }
  };

  const backwardPass: SplitPass = {
    before: takeGradSums,
    reduction: sums,
    after() {
      for (let group = 0; group < groups.length; group++) inputGradient(group);
    },
  };
  const isGradNeeded = setup.dxPtr !== 0;

  return {
    forward() {
      if (step.training || running === undefined) runSplit(forwardPass);
      else evaluate(running);
    },

    backward() {
      if (isGradNeeded) runSplit(backwardPass);
      else takeGradSums();
    },

    exchanging: { forward: forwardPass, backward: isGradNeeded ? backwardPass : undefined },

    updateRunningStatistics() {
      if (running !== undefined) updateRunning(running);
    },
  };
}

/** The error of a sync group with one value per channel, which has no variance. */
export function oneValueError(path: string): UsageError {
  return new UsageError({
    what: `values per channel in the sync group of ${path}`,
    given: 1,
    allowed: 'at least 2, since one value has no variance',
    hint: 'a larger batch, synchronization over more replicas, or groupNorm',
  });
}
