// Batch normalization that trains by its running statistics, as it evaluates (PyTorch's BatchNorm
// in eval mode, with weight and bias that train): an affine map whose mean and variance are
// constants, y = (x - mean) / sqrt(var + eps) * weight + bias, dx = dy * weight / sqrt(var + eps).
// Batch statistics are taken only where the running ones are to move.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';
import { type BoundReduction, reduce } from '../reduce/reduction.ts';
import { gradCoefficientsLength } from './coefficients.ts';
import { bindPasses } from './passes.ts';
import { bindRunningUpdate } from './runningStatistics.ts';
import type { NormSetup, RunningPtrs } from './setup.ts';

export interface RunningNormSetup extends NormSetup {
  readonly memory: WebAssembly.Memory;
  readonly channels: number;
  /** Positions per sample: H * W. */
  readonly rowsPerSample: number;
  /** Weight of the newest observation; `null` averages all observations alike. */
  readonly momentum: number | null;
  readonly running: RunningPtrs;
  /** {@link runningNormLength} float64. */
  readonly workspacePtr: number;
  /** Undefined where the running statistics stay as they are. */
  readonly moments: BoundReduction | undefined;
}

/** How many float64 numbers are kept from forward to backward, and for the sums of a grain. */
export function runningNormLength(channels: number): number {
  // Coefficients, those of the gradient, sums; sums of 0 and their count.
  return 4 * channels + gradCoefficientsLength(channels) + 2 * channels + (2 * channels + 1);
}

/** The input gradient is batch normalization's with sums of 0, over any number of values. With fewer
 * than these the kernels would take slower coefficients. */
const CONSTANT_COUNT = 64;

/** Binds the passes. What a step observes moves the running statistics after it, so that the step
 * itself is normalized by those before. */
export function bindRunningNorm(setup: RunningNormSetup): {
  forward(): void;
  backward(): void;
  updateRunningStatistics(): void;
} {
  const { kernels, step, channels, rowsPerSample, countGrains, running, moments } = setup;
  const { xPtr, yPtr, dyPtr, dxPtr, weightGrad, biasGrad } = setup;
  const passes = bindPasses(kernels, setup.isRelu);
  const vectorBytes = channels * DOUBLE_BYTES;
  const sampleBytes = rowsPerSample * channels * FLOAT_BYTES;
  const coefficientsPtr = setup.workspacePtr;
  const gradCoefficientsPtr = coefficientsPtr + 4 * vectorBytes;
  const sumsPtr = gradCoefficientsPtr + gradCoefficientsLength(channels) * DOUBLE_BYTES;
  const zerosPtr = sumsPtr + 2 * vectorBytes;
  const countPtr = zerosPtr + 2 * vectorBytes;
  const numbers = new Float64Array(setup.memory.buffer);
  kernels.zeroBytes(zerosPtr, 2 * vectorBytes);
  numbers[countPtr / DOUBLE_BYTES] = CONSTANT_COUNT;
  const rowsIn = (lo: number, hi: number): number =>
    (step.grainStart[hi]! - step.grainStart[lo]!) * rowsPerSample;
  const updateRunning =
    moments &&
    bindRunningUpdate({
      ...{ numbers, channels, momentum: setup.momentum, running },
      groupPtrs: moments.groupPtrs,
    });

  const observe = (from: BoundReduction): void => {
    for (let grain = 0; grain < countGrains; grain++) {
      const at = xPtr + step.grainStart[grain]! * sampleBytes;
      // The coefficients are computed later: until then their place is free for the pivots.
      kernels.momentsF32(
        at,
        rowsIn(grain, grain + 1),
        channels,
        coefficientsPtr,
        from.leafPtr(grain),
      );
    }
    reduce(from);
  };

  const takeIn = (gradient: GradientSink | undefined, grain: number, fromPtr: number): void => {
    if (gradient === undefined) return;
    // As pairs of float32.
    kernels.copyF32(gradient.leafPtr(grain), fromPtr, 2 * channels);
    gradient.fold(grain);
  };

  return {
    forward() {
      if (step.training && moments !== undefined) observe(moments);
      kernels.batchNormCoefficients(
        running.meanPtr,
        running.varPtr,
        0,
        channels,
        setup.eps,
        setup.weightPtr,
        setup.biasPtr,
        coefficientsPtr,
      );
      passes.normalize(xPtr, yPtr, rowsIn(0, countGrains), channels, coefficientsPtr);
    },

    backward() {
      const areSummed = weightGrad !== undefined || biasGrad !== undefined;
      for (let grain = 0; areSummed && grain < countGrains; grain++) {
        const at = step.grainStart[grain]! * sampleBytes;
        passes.gradSums(
          xPtr + at,
          dyPtr + at,
          rowsIn(grain, grain + 1),
          channels,
          coefficientsPtr,
          gradCoefficientsPtr,
          sumsPtr,
        );
        takeIn(weightGrad, grain, sumsPtr + vectorBytes);
        takeIn(biasGrad, grain, sumsPtr);
      }
      if (dxPtr === 0) return;
      kernels.batchNormGradCoefficients(
        zerosPtr,
        countPtr,
        channels,
        coefficientsPtr,
        gradCoefficientsPtr,
      );
      const rows = rowsIn(0, countGrains);
      passes.inputGrad(xPtr, dyPtr, dxPtr, rows, channels, coefficientsPtr, gradCoefficientsPtr);
    },

    updateRunningStatistics() {
      updateRunning?.();
    },
  };
}
