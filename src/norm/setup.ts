// What every normalization is bound to: kernels, shards, and the addresses of its tensors.

import type { KernelExports } from '../kernels/exports.ts';

/** The shards that a worker holds in this step. */
export interface ShardState {
  readonly training: boolean;
  readonly replicaStart: Int32Array;
}

/** Where the gradient of a parameter goes, replica by replica, float64. */
export interface NormGradient {
  readonly leafPtr: number;
  fold(localReplica: number): void;
}

export interface NormSetup {
  readonly kernels: KernelExports;
  readonly shards: ShardState;
  readonly countLocalReplicas: number;
  readonly eps: number;
  readonly xPtr: number;
  readonly yPtr: number;
  readonly dyPtr: number;
  /** 0 when the input's gradient is not needed. */
  readonly dxPtr: number;
  /** 0 without affine parameters. */
  readonly weightPtr: number;
  readonly biasPtr: number;
  readonly weightGrad: NormGradient | undefined;
  readonly biasGrad: NormGradient | undefined;
  /** Whether y goes through a relu, and dy through its gradient; default false. */
  readonly isRelu?: boolean;
}

/** Running statistics: mean[C], var[C] and the number of updates, float64. */
export interface RunningPtrs {
  readonly meanPtr: number;
  readonly varPtr: number;
  readonly countPtr: number;
}
