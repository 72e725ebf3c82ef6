// The inputs of every bound normalization: kernels, grains, and the addresses of its tensors.

import type { KernelExports } from '../kernels/exports.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';

/** The samples that a worker holds in this step: local grain i has those of [grainStart[i],
 * grainStart[i + 1]). */
export interface NormStep {
  readonly training: boolean;
  readonly grainStart: Int32Array;
}

export interface NormSetup {
  readonly kernels: KernelExports;
  readonly step: NormStep;
  readonly countGrains: number;
  readonly eps: number;
  readonly xPtr: number;
  readonly yPtr: number;
  readonly dyPtr: number;
  /** 0 if the input gradient is not needed. */
  readonly dxPtr: number;
  /** 0 without affine parameters. */
  readonly weightPtr: number;
  readonly biasPtr: number;
  /** Receives the gradient grain by grain, float64. */
  readonly weightGrad: GradientSink | undefined;
  readonly biasGrad: GradientSink | undefined;
  /** Whether a relu is applied to y, and its gradient to dy; default false. */
  readonly isRelu?: boolean;
  /** A tensor that is added to y before y is written; cannot be combined with `isRelu`. dy is then
   * the gradient of both, before the relu. */
  readonly addend?: NormAddend | undefined;
}

/** A tensor like y, and whether the sum goes through a relu. */
export interface NormAddend {
  readonly ptr: number;
  readonly isRelu: boolean;
  /** Recomputes a sample of it, if it is not stored until backward. */
  readonly derive?: ((sample: number, toPtr: number) => void) | undefined;
}

/** Running statistics: mean[C], var[C] and the number of updates, float64. */
export interface RunningPtrs {
  readonly meanPtr: number;
  readonly varPtr: number;
  readonly countPtr: number;
}
