// Sums a parameter's gradient over its uses within one step, grain by grain: a recurrent layer uses
// its biases and gains once per time step, but a GradientSink takes one leaf from each grain.
// Float64.

import { DOUBLE_BYTES } from '../../base/bytes.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { GradientSink } from '../../reduce/gradientSink.ts';
import type { WorkspaceDeclaration } from '../layers/layer.ts';

/** A gradient that the layer can add to any number of times between `clear` and `finish`. */
export interface GrainSums extends GradientSink {
  clear(): void;
  /** Passes the sums to the sink. The layer must not use its other sinks meanwhile. */
  finish(): void;
}

/** The memory for sums of `length` numbers per grain and for the leaf to add. */
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
