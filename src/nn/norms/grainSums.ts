// Sums of a parameter's gradient over the uses of a parameter within one step, grain by grain: a
// recurrent layer uses its biases and gains once for each time step, while a GradientSink takes one
// leaf from each grain. Float64.

import { DOUBLE_BYTES } from '../../base/bytes.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { GradientSink } from '../../reduce/gradientSink.ts';
import type { WorkspaceDeclaration } from '../layers/layer.ts';

/** What the layer adds to as to an ordinary gradient, as often as it likes, between `clear` and
 * `finish`. */
export interface GrainSums extends GradientSink {
  clear(): void;
  /** Hands the sums to the sink, which all other sinks of the layer leave alone meanwhile. */
  finish(): void;
}

/** The memory of sums of `length` numbers for each grain, and of the leaf to add. */
export function grainSumsWorkspace(
  name: string,
  length: number,
  countGrains: number,
): WorkspaceDeclaration {
  return { name, type: 'f64', shape: [countGrains + 1, length] };
}

export interface GrainSumsSetup {
  readonly kernels: KernelExports;
  readonly countGrains: number;
  readonly length: number;
  readonly workspacePtr: number;
  readonly sink: GradientSink;
}

/** Binds the sums of one parameter. */
export function bindGrainSums(setup: GrainSumsSetup): GrainSums {
  const { kernels, countGrains, length, workspacePtr, sink } = setup;
  const bytes = length * DOUBLE_BYTES;
  const leafPtr = workspacePtr + countGrains * bytes;
  return {
    leafPtr: () => leafPtr,
    fold(grain) {
      const sumPtr = workspacePtr + grain * bytes;
      kernels.addF64(sumPtr, sumPtr, leafPtr, length);
    },
    clear() {
      kernels.zeroBytes(workspacePtr, countGrains * bytes);
    },
    finish() {
      for (let grain = 0; grain < countGrains; grain++) {
        // Copied as pairs of float32.
        kernels.copyF32(sink.leafPtr(grain), workspacePtr + grain * bytes, 2 * length);
        sink.fold(grain);
      }
    },
  };
}
