// Batch normalization over [rows, channels] (Ioffe and Szegedy 2015), bound to addresses. It does
// not know about threads: the statistics of a sync group come from reductions.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { UsageError } from '../base/errors.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';
import {
  type BoundReduction,
  type ExchangingPasses,
  runSplits,
  type SplitPass,
} from '../reduce/reduction.ts';
import { gradCoefficientsLength } from './coefficients.ts';
import { forEachMixture } from './evalCorrection.ts';
import { bindDerive, bindPasses, type NormPasses } from './passes.ts';
import { bindRunningUpdate } from './runningStatistics.ts';
import type { NormSetup, RunningPtrs } from './setup.ts';

export interface BatchNormSetup extends NormSetup {
  /** The layer's name in errors. */
  readonly path: string;
  readonly memory: WebAssembly.Memory;
  readonly channels: number;
  /** Positions per sample: H * W. */
  readonly rowsPerSample: number;
  /** Weight of the newest observation; `null` averages all observations equally. */
  readonly momentum: number | null;
  /** Undefined without running statistics. */
  readonly running: RunningPtrs | undefined;
  /** The address of {@link coefficientsLength} float64 values, for the groups of `moments`. */
  readonly coefficientsPtr: number;
  /** Both reductions are over the same groups. */
  readonly moments: BoundReduction;
  readonly sums: BoundReduction;
  /** Changes scale and shift of a local group's coefficients before training uses them; backward
   * treats the change as constant (batchRenorm.ts). */
  readonly adjust?: (group: number, coefficientsPtr: number) => void;
  /** Weight of a sample in the statistics that evaluation normalizes it by (evalCorrection.ts);
   * default 0. */
  readonly evalWeight?: number;
}

/** The number of float64 values in the coefficients of all local sync groups and the gradient
 * coefficients of one. */
export function coefficientsLength(channels: number, countGroups: number): number {
  return 4 * channels * countGroups + gradCoefficientsLength(channels);
}

export interface BoundBatchNorm {
  forward(): void;
  backward(): void;
  /** Recomputes the output of a sample at another address, with the coefficients of the last
   * training pass. */
  derive(sample: number, toPtr: number): void;
  updateRunningStatistics(): void;
  /** The training passes, cut at their exchanges; undefined if there are none. */
  readonly exchanging: ExchangingPasses | undefined;
}

/** Binds the passes of a batch normalization. */
export function bindBatchNorm(setup: BatchNormSetup): BoundBatchNorm {
  const { step, channels, momentum, moments, running } = setup;
  const frame = frameOf(setup);
  const { numbers } = frame;
  const forwardPass = [bindForward(frame)];
  const ofBackward = bindBackward(frame);
  const backwardPass = setup.dxPtr === 0 ? [] : [ofBackward];
  const evaluate = running && bindEvaluation(frame, running);
  const { groupPtrs } = moments;
  const updateRunning =
    running && bindRunningUpdate({ numbers, channels, momentum, groupPtrs, running });

  return {
    forward() {
      if (step.training || evaluate === undefined) runSplits(forwardPass);
      else evaluate();
    },

    backward() {
      if (backwardPass.length > 0) runSplits(backwardPass);
      else ofBackward.before();
    },

    derive: bindDerived(frame),

    exchanging: {
      forward: forwardPass,
      backward: backwardPass,
      inEvaluation: evaluate === undefined,
    },

    updateRunningStatistics() {
      updateRunning?.();
    },
  };
}

/** Shared by the passes: their setup, and the addresses of rows and coefficients. */
interface Frame {
  readonly setup: BatchNormSetup;
  readonly passes: NormPasses;
  /** The whole memory. */
  readonly numbers: Float64Array;
  readonly rowBytes: number;
  /** One mean, variance or sum for each channel. */
  readonly vectorBytes: number;
  readonly gradCoefficientsPtr: number;
  /** The number of rows of the grains [lo, hi). */
  rowsIn(lo: number, hi: number): number;
  /** The offset of a grain in x, y and their gradients. */
  offsetOf(grain: number): number;
  coefficientsOf(group: number): number;
}

function frameOf(setup: BatchNormSetup): Frame {
  const { step, channels, rowsPerSample, coefficientsPtr } = setup;
  const rowBytes = channels * FLOAT_BYTES;
  const vectorBytes = channels * DOUBLE_BYTES;
  const sampleBytes = rowsPerSample * rowBytes;
  const setBytes = 4 * vectorBytes;
  return {
    setup,
    passes: bindPasses(setup),
    numbers: new Float64Array(setup.memory.buffer),
    rowBytes,
    vectorBytes,
    gradCoefficientsPtr: coefficientsPtr + setup.moments.groups.length * setBytes,
    rowsIn: (lo, hi) => (step.grainStart[hi]! - step.grainStart[lo]!) * rowsPerSample,
    offsetOf: (grain) => step.grainStart[grain]! * sampleBytes,
    coefficientsOf: (group) => coefficientsPtr + group * setBytes,
  };
}

/** Forward in training: computes the moments of each grain, then normalizes each group by its
 * moments. */
function bindForward(frame: Frame): SplitPass {
  const { setup, passes, numbers, vectorBytes, rowsIn, offsetOf, coefficientsOf } = frame;
  const { kernels, channels, moments, xPtr, yPtr, countGrains, eps } = setup;
  const { groups } = moments;

  const takeMoments = (): void => {
    for (let grain = 0; grain < countGrains; grain++) {
      const at = xPtr + offsetOf(grain);
      // The coefficients are computed later, so their memory holds the pivots until then.
      const pivotsPtr = setup.coefficientsPtr;
      kernels.momentsF32(at, rowsIn(grain, grain + 1), channels, pivotsPtr, moments.leafPtr(grain));
    }
  };

  const normalize = (group: number): void => {
    const { lo, hi, resultPtr } = groups[group]!;
    const rows = rowsIn(lo, hi);
    if (rows === 0) return;
    if (numbers[resultPtr / DOUBLE_BYTES]! < 2) throw oneValueError(setup.path);
    const coefficientsPtr = coefficientsOf(group);
    const meanPtr = resultPtr + DOUBLE_BYTES;
    kernels.batchNormCoefficients(
      meanPtr,
      meanPtr + vectorBytes,
      resultPtr,
      channels,
      eps,
      setup.weightPtr,
      setup.biasPtr,
      coefficientsPtr,
    );
    setup.adjust?.(group, coefficientsPtr);
    const at = offsetOf(lo);
    passes.normalize(xPtr + at, yPtr + at, rows, channels, coefficientsPtr);
  };

  return {
    before: takeMoments,
    reduction: moments,
    after() {
      for (let group = 0; group < groups.length; group++) normalize(group);
    },
  };
}

/** Forward in evaluation: normalizes by the running statistics, or by their mixture with each
 * sample's. */
function bindEvaluation(frame: Frame, running: RunningPtrs): () => void {
  const { setup, passes, numbers, rowBytes, gradCoefficientsPtr } = frame;
  const { kernels, step, channels, rowsPerSample, xPtr, yPtr, countGrains, eps } = setup;

  const normalize = (meanPtr: number, varPtr: number, firstRow: number, rows: number): void => {
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
    const at = firstRow * rowBytes;
    passes.normalize(xPtr + at, yPtr + at, rows, channels, coefficientsPtr);
  };

  // A sample's coefficients are computed after its moments, and evaluation has no gradients, so
  // their memory holds pivots and moments.
  const mixture = {
    ...{ kernels, numbers, channels, rowsPerSample, xPtr },
    weight: setup.evalWeight ?? 0,
    pivotsPtr: setup.coefficientsPtr,
    vectorPtr: gradCoefficientsPtr,
  };
  const normalizeSample = (firstRow: number, meanPtr: number, varPtr: number): void =>
    normalize(meanPtr, varPtr, firstRow, rowsPerSample);

  return () => {
    const samples = step.grainStart[countGrains]!;
    if (mixture.weight === 0)
      normalize(running.meanPtr, running.varPtr, 0, samples * rowsPerSample);
    else forEachMixture(mixture, running, samples, normalizeSample);
  };
}

function bindDerived({ setup, coefficientsOf }: Frame): BoundBatchNorm['derive'] {
  const { step, moments } = setup;
  const { groups } = moments;
  const derive = bindDerive(setup, setup.rowsPerSample, setup.channels);
  return (sample, toPtr) => {
    let group = 0;
    while (sample >= step.grainStart[groups[group]!.hi]!) group++;
    derive(sample, toPtr, coefficientsOf(group));
  };
}

/** Backward: computes two sums of each grain, which are the gradients of the affine parameters,
 * then the input gradient of each group from its sums. */
function bindBackward(frame: Frame): SplitPass {
  const { setup, passes, gradCoefficientsPtr, rowsIn, offsetOf, coefficientsOf } = frame;
  const { kernels, channels, moments, sums, xPtr, dyPtr, dxPtr, weightGrad, biasGrad } = setup;
  const { groups } = moments;

  const takeIn = (gradient: GradientSink, grain: number, sumsPtr: number): void => {
    // Copies pairs of float32.
    kernels.copyF32(gradient.leafPtr(grain), sumsPtr, 2 * channels);
    gradient.fold(grain);
  };

  const takeGrainGradSums = (grain: number, coefficientsPtr: number): void => {
    const at = offsetOf(grain);
    const leafPtr = sums.leafPtr(grain);
    // The gradient coefficients are computed later, so their memory is free until then.
    passes.gradSums(
      xPtr + at,
      dyPtr + at,
      rowsIn(grain, grain + 1),
      channels,
      coefficientsPtr,
      gradCoefficientsPtr,
      leafPtr,
    );
    if (weightGrad !== undefined) takeIn(weightGrad, grain, leafPtr + frame.vectorBytes);
    if (biasGrad !== undefined) takeIn(biasGrad, grain, leafPtr);
  };

  const takeGradSums = (): void => {
    for (let group = 0; group < groups.length; group++) {
      const { lo, hi } = groups[group]!;
      for (let grain = lo; grain < hi; grain++) takeGrainGradSums(grain, coefficientsOf(group));
    }
  };

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
      dyPtr + at,
      dxPtr + at,
      rows,
      channels,
      coefficientsPtr,
      gradCoefficientsPtr,
    );
  };

  return {
    before: takeGradSums,
    reduction: sums,
    after() {
      for (let group = 0; group < groups.length; group++) inputGradient(group);
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
