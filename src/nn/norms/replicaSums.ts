// Sums of a parameter's gradient over the uses of a parameter within one step, replica by replica:
// a recurrent layer uses its biases and gains once for each time step, while a GradientSink takes
// one leaf from each replica. Float64.

import { DOUBLE_BYTES } from '../../base/bytes.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { NormGradient } from '../../norm/setup.ts';
import type { GradientSink, WorkspaceDeclaration } from '../layers/layer.ts';

/** What the layer adds to as to an ordinary gradient, as often as it likes, between `clear` and
 * `finish`. */
export interface ReplicaSums extends NormGradient {
  clear(): void;
  /** Hands the sums to the sink, which all other sinks of the layer leave alone meanwhile. */
  finish(): void;
}

/** The memory of sums of `length` numbers for each replica, and of the leaf to add. */
export function replicaSumsWorkspace(
  name: string,
  length: number,
  countLocalReplicas: number,
): WorkspaceDeclaration {
  return { name, type: 'f64', shape: [countLocalReplicas + 1, length] };
}

export interface ReplicaSumsSetup {
  readonly kernels: KernelExports;
  readonly countLocalReplicas: number;
  readonly length: number;
  readonly workspacePtr: number;
  readonly sink: GradientSink;
}

/** Binds the sums of one parameter. */
export function bindReplicaSums(setup: ReplicaSumsSetup): ReplicaSums {
  const { kernels, countLocalReplicas, length, workspacePtr, sink } = setup;
  const bytes = length * DOUBLE_BYTES;
  const leafPtr = workspacePtr + countLocalReplicas * bytes;
  return {
    leafPtr,
    fold(localReplica) {
      const sumPtr = workspacePtr + localReplica * bytes;
      kernels.addF64(sumPtr, sumPtr, leafPtr, length);
    },
    clear() {
      kernels.zeroBytes(workspacePtr, countLocalReplicas * bytes);
    },
    finish() {
      for (let replica = 0; replica < countLocalReplicas; replica++) {
        // Copied as pairs of float32.
        kernels.copyF32(sink.leafPtr, workspacePtr + replica * bytes, 2 * length);
        sink.fold(replica);
      }
    },
  };
}
