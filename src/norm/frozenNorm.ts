// Frozen batch normalization: normalizes by its running statistics in training, too, with weight
// and bias that do not train (torchvision's FrozenBatchNorm2d). An affine map with constants: y =
// (x - mean) / sqrt(var + eps) * weight + bias, dx = dy * weight / sqrt(var + eps).

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { NormStep } from './setup.ts';

export interface FrozenNormSetup {
  readonly kernels: KernelExports;
  readonly step: NormStep;
  readonly countGrains: number;
  readonly channels: number;
  /** Positions per sample: H * W. */
  readonly rowsPerSample: number;
  readonly eps: number;
  readonly xPtr: number;
  readonly yPtr: number;
  readonly dyPtr: number;
  /** 0 if the input gradient is not needed. */
  readonly dxPtr: number;
  /** Float64, C each. */
  readonly meanPtr: number;
  readonly varPtr: number;
  /** Float64, C each; 0 without affine parameters. */
  readonly weightPtr: number;
  readonly biasPtr: number;
  /** 5 C float64. */
  readonly coefficientsPtr: number;
}

export function bindFrozenNorm(setup: FrozenNormSetup): { forward(): void; backward(): void } {
  const { kernels, step, channels, eps, coefficientsPtr } = setup;
  const scalePtr = coefficientsPtr + 4 * channels * DOUBLE_BYTES;
  const countRows = (): number => step.grainStart[setup.countGrains]! * setup.rowsPerSample;

  return {
    // Recomputed each time, since a checkpoint may have been loaded in between; it is only C
    // numbers.
    forward() {
      kernels.frozenNormCoefficients(
        setup.meanPtr,
        setup.varPtr,
        channels,
        eps,
        setup.weightPtr,
        setup.biasPtr,
        coefficientsPtr,
        scalePtr,
      );
      kernels.normalizeF32(setup.xPtr, setup.yPtr, countRows(), channels, coefficientsPtr);
    },
    backward() {
      if (setup.dxPtr === 0) return;
      kernels.scaleRowsF32(setup.dyPtr, setup.dxPtr, countRows(), channels, scalePtr);
    },
  };
}
