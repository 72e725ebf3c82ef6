// What every normalization is bound to: kernels, grains, and the addresses of its tensors.

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
  /** 0 when the input's gradient is not needed. */
  readonly dxPtr: number;
  /** 0 without affine parameters. */
  readonly weightPtr: number;
  readonly biasPtr: number;
  /** Takes the gradient in grain by grain, float64. */
  readonly weightGrad: GradientSink | undefined;
  readonly biasGrad: GradientSink | undefined;
  /** Whether y goes through a relu, and dy through its gradient; default false. */
  readonly isRelu?: boolean;
  /** What is added to y before that is written; not together with `isRelu`. dy is then the
   * gradient of both, before the relu. */
  readonly addend?: NormAddend | undefined;
}

/** A tensor like y, and whether the sum goes through a relu. */
export interface NormAddend {
  readonly ptr: number;
  readonly isRelu: boolean;
  /** Where it is not stored until backward: writes a sample of it anew. */
  readonly derive?: ((sample: number, toPtr: number) => void) | undefined;
}

/** Running statistics: mean[C], var[C] and the number of updates, float64. */
export interface RunningPtrs {
  readonly meanPtr: number;
  readonly varPtr: number;
  readonly countPtr: number;
}
