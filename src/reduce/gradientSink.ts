// Takes the gradients of one parameter in, grain by grain, and folds them along the tree up to the
// subtrees that this worker covers, where all workers can read them. A leaf is written where it is
// needed: in the published node, or on a stack of partial sums as deep as the tree, whose memory
// the layers use one after the other.

import type { KernelExports } from '../kernels/exports.ts';
import { type Fold, foldsInOrder } from './folds.ts';
import type { Span } from './tree.ts';

/** Takes the gradients of one parameter, grain by grain. */
export interface GradientSink {
  /** Where the gradient of a local grain is to be written, whole, once those before it are taken
   * in: float32 for weights, else float64. */
  leafPtr(grain: number): number;
  /** Takes the leaf in. To be called once for each local grain, in order, also for empty ones
   * (whose leaf is zeros). */
  fold(grain: number): void;
}

export interface SinkSetup {
  readonly kernels: KernelExports;
  readonly length: number;
  readonly isWide: boolean;
  /** The subtrees that this worker covers, and where the parameter's gradient lies in each. */
  readonly nodes: readonly (Span & { readonly ptr: number })[];
  /** Where the levels of the stack lie, from the second one on: the first is the node. */
  readonly stackPtr: number;
  readonly levelBytes: number;
}

/** Binds the sink of one parameter. */
export function bindGradientSink(setup: SinkSetup): GradientSink {
  const { kernels, length, isWide, stackPtr, levelBytes } = setup;
  const leaves = setup.nodes.flatMap((node) =>
    foldsInOrder(node, (level) => (level === 0 ? node.ptr : stackPtr + (level - 1) * levelBytes)),
  );
  const run = bindAdditions(kernels, isWide);
  return {
    leafPtr: (grain) => leaves[grain]!.leafPtr,
    fold: (grain) => run(leaves[grain]!.folds, length),
  };
}

/** Binds what folds gradients: float32, or float64 where they are wide. */
export function bindAdditions(
  kernels: KernelExports,
  isWide: boolean,
): (folds: readonly Fold[], length: number) => void {
  const add = isWide ? kernels.addF64 : kernels.addF32;
  return (folds, length) => {
    for (const { intoPtr, leftPtr, rightPtr } of folds) add(intoPtr, leftPtr, rightPtr, length);
  };
}
