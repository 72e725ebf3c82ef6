// Batch normalization over [rows, channels] (Ioffe and Szegedy 2015), bound to addresses. Knows no
// threads: the statistics of a sync group come from the reductions that it is given. Running
// statistics follow PyTorch: running = (1 - momentum) running + momentum observed, with the
// unbiased variance.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { UsageError } from '../base/errors.ts';
import { gradCoefficientsLength } from './coefficients.ts';
import { forEachMixture } from './evalCorrection.ts';
import { bindPasses } from './passes.ts';
import { type BoundReduction, type ExchangingPasses, runSplit, type SplitPass } from './reducer.ts';
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
  /** {@link coefficientsLength} float64. */
  readonly coefficientsPtr: number;
  readonly moments: BoundReduction;
  readonly sums: BoundReduction;
  /** Changes scale and shift of a local replica's coefficients before they are used in training;
   * what it changes them by counts as constant in backward (batchRenorm.ts). */
  readonly adjust?: (replica: number, coefficientsPtr: number) => void;
  /** Weight of a sample in what it is evaluated by (evalCorrection.ts); default 0. */
  readonly evalWeight?: number;
}

/** How many float64 numbers the coefficients of all local replicas take, and those of one's
 * gradient. */
export function coefficientsLength(channels: number, countLocalReplicas: number): number {
  return 4 * channels * countLocalReplicas + gradCoefficientsLength(channels);
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
  const { kernels, shards, channels, moments, sums, xPtr, yPtr, running } = setup;
  const { groupPtrs } = moments;
  const rowBytes = channels * FLOAT_BYTES;
  const sampleBytes = setup.rowsPerSample * rowBytes;
  const setBytes = 4 * channels * DOUBLE_BYTES;
  const passes = bindPasses(kernels, setup.isRelu);
  const gradCoefficientsPtr = setup.coefficientsPtr + setup.countLocalReplicas * setBytes;
  const numbers = new Float64Array(setup.memory.buffer);
  const meanBytes = channels * DOUBLE_BYTES;

  const rowsOf = (replica: number): number =>
    (shards.replicaStart[replica + 1]! - shards.replicaStart[replica]!) * setup.rowsPerSample;
  const offsetOf = (replica: number): number => shards.replicaStart[replica]! * sampleBytes;

  const normalize = (replica: number, vectorPtr: number): void => {
    const rows = rowsOf(replica);
    if (rows === 0) return;
    if (numbers[vectorPtr / DOUBLE_BYTES]! < 2) throw oneValueError(setup.path);
    const coefficientsPtr = setup.coefficientsPtr + replica * setBytes;
    const meanPtr = vectorPtr + DOUBLE_BYTES;
    kernels.batchNormCoefficients(
      meanPtr,
      meanPtr + meanBytes,
      vectorPtr,
      channels,
      setup.eps,
      setup.weightPtr,
      setup.biasPtr,
      coefficientsPtr,
    );
    setup.adjust?.(replica, coefficientsPtr);
    const at = offsetOf(replica);
    passes.normalize(xPtr + at, yPtr + at, rows, channels, coefficientsPtr);
  };

  const takeMoments = (): void => {
    for (let replica = 0; replica < setup.countLocalReplicas; replica++) {
      const leafPtr = moments.leafPtr(replica);
      const at = xPtr + offsetOf(replica);
      // The coefficients are computed later: until then their place is free for the pivots.
      const pivotsPtr = setup.coefficientsPtr + replica * setBytes;
      kernels.momentsF32(at, rowsOf(replica), channels, pivotsPtr, leafPtr);
    }
  };

  const normalizeBy = (vectorPtrOf: (replica: number) => number): void => {
    for (let replica = 0; replica < setup.countLocalReplicas; replica++) {
      normalize(replica, vectorPtrOf(replica));
    }
  };

  const forwardPass: SplitPass = {
    before: takeMoments,
    reduction: moments,
    after: () => normalizeBy(moments.resultPtr),
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
    const samples = shards.replicaStart[setup.countLocalReplicas]!;
    const { rowsPerSample } = setup;
    if (mixture.weight === 0) {
      forwardRunning(by.meanPtr, by.varPtr, 0, samples * rowsPerSample);
      return;
    }
    forEachMixture(mixture, by, samples, (firstRow, meanPtr, varPtr) => {
      forwardRunning(meanPtr, varPtr, firstRow, rowsPerSample);
    });
  };

  const copyVector = (toPtr: number, fromPtr: number): void => {
    const from = fromPtr / DOUBLE_BYTES;
    numbers.copyWithin(toPtr / DOUBLE_BYTES, from, from + channels);
  };

  const inputGradient = (replica: number): void => {
    const rows = rowsOf(replica);
    if (rows === 0) return;
    const coefficientsPtr = setup.coefficientsPtr + replica * setBytes;
    const sumsPtr = sums.resultPtr(replica);
    kernels.batchNormGradCoefficients(
      sumsPtr,
      moments.resultPtr(replica),
      channels,
      coefficientsPtr,
      gradCoefficientsPtr,
    );
    const at = offsetOf(replica);
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

  const takeGradSums = (): void => {
    for (let replica = 0; replica < setup.countLocalReplicas; replica++) {
      const at = offsetOf(replica);
      const coefficientsPtr = setup.coefficientsPtr + replica * setBytes;
      const leafPtr = sums.leafPtr(replica);
      // The gradient's coefficients are computed later: until then their place is free.
      passes.gradSums(
        xPtr + at,
        setup.dyPtr + at,
        rowsOf(replica),
        channels,
        coefficientsPtr,
        gradCoefficientsPtr,
        leafPtr,
      );
      if (setup.weightGrad !== undefined) {
        copyVector(setup.weightGrad.leafPtr, leafPtr + meanBytes);
        setup.weightGrad.fold(replica);
      }
      if (setup.biasGrad !== undefined) {
        copyVector(setup.biasGrad.leafPtr, leafPtr);
        setup.biasGrad.fold(replica);
      }
    }
  };

  const backwardPass: SplitPass = {
    before: takeGradSums,
    reduction: sums,
    after() {
      for (let replica = 0; replica < setup.countLocalReplicas; replica++) inputGradient(replica);
    },
  };
  const isGradNeeded = setup.dxPtr !== 0;

  return {
    forward() {
      if (shards.training) runSplit(forwardPass);
      else if (running !== undefined) evaluate(running);
      else {
        // A shard is normalized by its own statistics, and nothing is exchanged.
        takeMoments();
        normalizeBy(moments.leafPtr);
      }
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
