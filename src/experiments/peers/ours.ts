// Computes the same batch with this library's norms for direct use, on one thread per rank. Runs as
// a job of launch.

import { normsFor } from '../../direct/normsFor.ts';
import type { JobContext } from '../../runtime/launchWorker.ts';

export interface OursArgs {
  readonly channels: number;
  /** [rows, channels] per rank. */
  readonly inputs: readonly Float32Array[];
  readonly gradients: readonly Float32Array[];
  readonly eps: number;
  readonly momentum: number;
}

/** The results of one rank; statistics are the same on all. */
export interface OursFinding {
  /** [channels] each. */
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly runningVar: Float64Array;
  /** Gradient of the mean loss over the global batch. */
  readonly weightGrad: Float64Array;
  /** [rows, channels] of this rank. */
  readonly outputs: Float32Array;
}

/** Normalizes this rank's rows, and reduces the weight's gradient as a training loop would. */
export function normalizeOurs({ rank, group, args }: JobContext<OursArgs>): OursFinding {
  const { channels, inputs, gradients, eps, momentum } = args;
  const norm = normsFor(group).batchNorm(channels, { eps, momentum });
  const { y, saved } = norm.forward(inputs[rank]!);
  const { weightGrad } = norm.parameterGradients(gradients[rank]!, saved);
  group.allReduce(weightGrad, 'sum');
  return {
    mean: saved.mean,
    variance: saved.invStd.map((invStd) => 1 / invStd ** 2 - eps),
    runningVar: norm.state!.runningVar.slice(),
    weightGrad: weightGrad.map((sum) => sum / saved.count),
    outputs: y.slice(),
  };
}
