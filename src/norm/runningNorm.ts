// Batch normalization that normalizes by its running statistics in training, as in evaluation
// (PyTorch's BatchNorm in eval mode, with weight and bias that train): an affine map with constant
// mean and variance, y = (x - mean) / sqrt(var + eps) * weight + bias, dx = dy * weight / sqrt(var
// + eps). Batch statistics are only computed to update the running ones.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';
import {
  type BoundReduction,
  type ExchangingPasses,
  runSplits,
  type SplitPass,
} from '../reduce/reduction.ts';
import { gradCoefficientsLength } from './coefficients.ts';
import { bindDerive, bindPasses, type NormPasses } from './passes.ts';
import { bindRunningUpdate } from './runningStatistics.ts';
import type { NormSetup, RunningPtrs } from './setup.ts';

export interface RunningNormSetup extends NormSetup {
  readonly memory: WebAssembly.Memory;
  readonly channels: number;
  /** Positions per sample: H * W. */
  readonly rowsPerSample: number;
  /** Weight of the newest observation; `null` averages all observations equally. */
  readonly momentum: number | null;
  readonly running: RunningPtrs;
  /** {@link runningNormLength} float64. */
  readonly workspacePtr: number;
  /** Undefined if the running statistics do not change. */
  readonly moments: BoundReduction | undefined;
}

/** The number of float64 values kept from forward to backward, and for the sums of a grain. */
export function runningNormLength(channels: number): number {
  // Coefficients, gradient coefficients and sums, then sums of 0 and their count.
  return 4 * channels + gradCoefficientsLength(channels) + 2 * channels + (2 * channels + 1);
}

/** The input gradient is that of batch normalization with sums of 0, over any number of values.
 * With fewer values than this the kernels would use slower coefficients. */
const CONSTANT_COUNT = 64;

/** Binds the passes. A step's observations update the running statistics after it, so the step
 * itself is normalized by the previous ones. */
export function bindRunningNorm(setup: RunningNormSetup): {
  forward(): void;
  backward(): void;
  /** Recomputes the output of a sample at another address, as the last forward pass wrote it. */
  derive(sample: number, toPtr: number): void;
  updateRunningStatistics(): void;
  /** Undefined if the running statistics do not change. */
  readonly exchanging: ExchangingPasses | undefined;
} {
  const { kernels, step, channels, countGrains, running, moments, xPtr } = setup;
  const frame = frameOf(setup);
  const { passes, numbers, coefficientsPtr, gradCoefficientsPtr, zerosPtr, countPtr } = frame;
  kernels.zeroBytes(zerosPtr, 2 * channels * DOUBLE_BYTES);
  numbers[countPtr / DOUBLE_BYTES] = CONSTANT_COUNT;
  const derive = bindDerive(setup, setup.rowsPerSample, channels);
  const foldSums = bindSums(setup, frame);
  const { momentum, eps } = setup;
  const updateRunning =
    moments &&
    bindRunningUpdate({ numbers, channels, momentum, running, groupPtrs: moments.groupPtrs });

  const normalize = (): void => {
    kernels.batchNormCoefficients(
      running.meanPtr,
      running.varPtr,
      0,
      channels,
      eps,
      setup.weightPtr,
      setup.biasPtr,
      coefficientsPtr,
    );
    const rows = frame.rowsIn(0, countGrains);
    passes.normalize(xPtr, setup.yPtr, rows, channels, coefficientsPtr);
  };
  const observing: readonly SplitPass[] =
    moments === undefined
      ? []
      : [{ before: bindMoments(setup, frame, moments), reduction: moments, after: normalize }];

  return {
    forward() {
      if (step.training && observing.length > 0) runSplits(observing);
      else normalize();
    },

    backward() {
      foldSums();
      if (setup.dxPtr === 0) return;
      kernels.batchNormGradCoefficients(
        zerosPtr,
        countPtr,
        channels,
        coefficientsPtr,
        gradCoefficientsPtr,
      );
      passes.inputGrad(
        xPtr,
        setup.dyPtr,
        setup.dxPtr,
        frame.rowsIn(0, countGrains),
        channels,
        coefficientsPtr,
        gradCoefficientsPtr,
      );
    },

    derive: (sample, toPtr) => derive(sample, toPtr, coefficientsPtr),

    updateRunningStatistics() {
      updateRunning?.();
    },

    exchanging:
      observing.length > 0 ? { forward: observing, backward: [], inEvaluation: false } : undefined,
  };
}

/** The addresses that the passes share. */
interface Frame {
  readonly passes: NormPasses;
  /** The whole memory. */
  readonly numbers: Float64Array;
  readonly coefficientsPtr: number;
  readonly gradCoefficientsPtr: number;
  readonly sumsPtr: number;
  readonly zerosPtr: number;
  readonly countPtr: number;
  /** The number of rows of the grains [lo, hi). */
  rowsIn(lo: number, hi: number): number;
  /** The offset of a grain in x, y and their gradients. */
  offsetOf(grain: number): number;
}

function frameOf(setup: RunningNormSetup): Frame {
  const { step, channels, rowsPerSample, workspacePtr } = setup;
  const vectorBytes = channels * DOUBLE_BYTES;
  const sampleBytes = rowsPerSample * channels * FLOAT_BYTES;
  const gradCoefficientsPtr = workspacePtr + 4 * vectorBytes;
  const sumsPtr = gradCoefficientsPtr + gradCoefficientsLength(channels) * DOUBLE_BYTES;
  const zerosPtr = sumsPtr + 2 * vectorBytes;
  return {
    passes: bindPasses(setup),
    numbers: new Float64Array(setup.memory.buffer),
    coefficientsPtr: workspacePtr,
    gradCoefficientsPtr,
    sumsPtr,
    zerosPtr,
    countPtr: zerosPtr + 2 * vectorBytes,
    rowsIn: (lo, hi) => (step.grainStart[hi]! - step.grainStart[lo]!) * rowsPerSample,
    offsetOf: (grain) => step.grainStart[grain]! * sampleBytes,
  };
}

/** Returns a function that computes the moments of each grain. */
function bindMoments(
  { kernels, channels, countGrains, xPtr }: RunningNormSetup,
  { coefficientsPtr, rowsIn, offsetOf }: Frame,
  moments: BoundReduction,
): () => void {
  return () => {
    for (let grain = 0; grain < countGrains; grain++) {
      const rows = rowsIn(grain, grain + 1);
      // The coefficients are computed later, so their memory holds the pivots until then.
      const leafPtr = moments.leafPtr(grain);
      kernels.momentsF32(xPtr + offsetOf(grain), rows, channels, coefficientsPtr, leafPtr);
    }
  };
}

/** Returns a function that folds the gradients of weight and bias, if they train. */
function bindSums(
  { channels, countGrains, xPtr, dyPtr, weightGrad, biasGrad, kernels }: RunningNormSetup,
  { passes, coefficientsPtr, gradCoefficientsPtr, sumsPtr, rowsIn, offsetOf }: Frame,
): () => void {
  if (weightGrad === undefined && biasGrad === undefined) return () => {};
  const takeIn = (gradient: GradientSink | undefined, grain: number, fromPtr: number): void => {
    if (gradient === undefined) return;
    // Copies pairs of float32.
    kernels.copyF32(gradient.leafPtr(grain), fromPtr, 2 * channels);
    gradient.fold(grain);
  };
  return () => {
    for (let grain = 0; grain < countGrains; grain++) {
      const at = offsetOf(grain);
      // The gradient coefficients are computed later, so their memory is free until then.
      passes.gradSums(
        xPtr + at,
        dyPtr + at,
        rowsIn(grain, grain + 1),
        channels,
        coefficientsPtr,
        gradCoefficientsPtr,
        sumsPtr,
      );
      takeIn(weightGrad, grain, sumsPtr + channels * DOUBLE_BYTES);
      takeIn(biasGrad, grain, sumsPtr);
    }
  };
}
