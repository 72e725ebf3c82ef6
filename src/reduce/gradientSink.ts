// Receives the gradients of one parameter, grain by grain, and folds them along the tree up to the
// subtrees that this worker covers, where all workers can read them. A leaf is written directly to
// its place: in the published node, or on a stack of partial sums as deep as the tree. Layers reuse
// the memory of the stack, except for its lowest levels, with sums that wait from one micro-batch
// for the next. These are separate for each parameter.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import { type Fold, foldsInOrder } from './folds.ts';
import { coverNodes, type Span } from './tree.ts';

/** Receives the gradients of one parameter, grain by grain. */
export interface GradientSink {
  /** The address to write the whole gradient of a local grain to, once those before it are folded:
   * float32 for weights, otherwise float64. */
  leafPtr(grain: number): number;
  /** Folds the leaf. Call it once for each local grain, in order, also for empty ones, which have a
   * leaf of zeros. */
  fold(grain: number): void;
  /** Receives only some of the elements. Process parts one after the other, each with all grains.
   * Their partial sums share memory, so those of a small part stay in the cache. Absent if a
   * gradient can only be received whole. */
  part?(ranges: readonly Range[]): PartSink;
  /** The largest subtrees of the local grains, in order, and the address to write the gradient of
   * each to, once those before it are folded. Code that writes it there, with the bits of folded
   * leaves, calls {@link foldNode} instead of the above. Absent if a gradient can only be received
   * leaf by leaf. */
  readonly nodes?: readonly (Span & { readonly ptr: number })[];
  /** Folds one of {@link nodes}. */
  foldNode?(index: number): void;
}

/** Elements of a gradient. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Receives a part of a gradient. */
export interface PartSink {
  /** The address to write each range of a local grain to. */
  leafPtrs(grain: number): readonly number[];
  /** As in {@link GradientSink}. */
  fold(grain: number): void;
}

export interface SinkSetup {
  readonly kernels: KernelExports;
  readonly length: number;
  readonly isWide: boolean;
  /** The subtrees that this worker covers, and the address of the parameter's gradient in each. */
  readonly nodes: readonly (Span & { readonly ptr: number })[];
  /** The grains that deliver gradients: all grains of the nodes, or those of a micro-batch. */
  readonly grains: Span;
  /** The levels of the stack after the first one, which is the node. Those that wait come first. */
  readonly waiting: StackLevels & { readonly count: number };
  readonly stack: StackLevels;
}

/** Levels of a stack of partial sums. */
export interface StackLevels {
  /** The address of this parameter's first level. */
  readonly ptr: number;
  readonly levelBytes: number;
}

/** Binds the sink of one parameter. */
export function bindGradientSink(setup: SinkSetup): GradientSink {
  const { kernels, isWide, nodes, grains, length } = setup;
  const whole = bindPart(setup, [{ offset: 0, length }]);
  const run = bindAdditions(kernels, isWide);
  const covered = nodes.flatMap((node) => {
    const subtrees = coverNodes(node, grains);
    const levelPtr = (level: number): number => levelOf(setup, node.ptr, level, 0, 0);
    return foldsInOrder(node, levelPtr, subtrees).filter((part) =>
      subtrees.some(({ lo, hi }) => lo === part.lo && hi === part.hi),
    );
  });
  return {
    leafPtr: (grain) => whole.leafPtrs(grain)[0]!,
    fold: whole.fold,
    part: (ranges) => bindPart(setup, ranges),
    nodes: covered,
    foldNode: (index) => run(covered[index]!.folds, length),
  };
}

/** The address of a level, for elements from `offsetBytes` on that are `atBytes` from the start of
 * the parameter's stack. */
function levelOf(
  { waiting, stack }: SinkSetup,
  nodePtr: number,
  level: number,
  offsetBytes: number,
  atBytes: number,
): number {
  if (level === 0) return nodePtr + offsetBytes;
  if (level <= waiting.count) {
    return waiting.ptr + (level - 1) * waiting.levelBytes + offsetBytes;
  }
  return stack.ptr + (level - 1 - waiting.count) * stack.levelBytes + atBytes;
}

/** Binds the sink of some ranges, which are contiguous on the stack. */
function bindPart(setup: SinkSetup, ranges: readonly Range[]): PartSink {
  const { kernels, isWide, nodes, grains } = setup;
  const bytes = isWide ? DOUBLE_BYTES : FLOAT_BYTES;
  const run = bindAdditions(kernels, isWide);
  let taken = 0;
  const leavesOf = ranges.map(({ offset, length }) => {
    const at = taken;
    taken += length * bytes;
    return nodes
      .flatMap((node) =>
        foldsInOrder(node, (level) => levelOf(setup, node.ptr, level, offset * bytes, at)),
      )
      .filter(({ lo }) => lo >= grains.lo && lo < grains.hi);
  });
  const countGrains = leavesOf[0]?.length ?? 0;
  const leafPtrs = Array.from({ length: countGrains }, (_, grain) =>
    leavesOf.map((leaves) => leaves[grain]!.ptr),
  );
  return {
    leafPtrs: (grain) => leafPtrs[grain]!,
    fold(grain) {
      for (let i = 0; i < ranges.length; i++) run(leavesOf[i]![grain]!.folds, ranges[i]!.length);
    },
  };
}

/** Binds the function that folds gradients: float32, or float64 if they are wide. */
export function bindAdditions(
  kernels: KernelExports,
  isWide: boolean,
): (folds: readonly Fold[], length: number) => void {
  const add = isWide ? kernels.addF64 : kernels.addF32;
  return (folds, length) => {
    for (const { intoPtr, leftPtr, rightPtr } of folds) add(intoPtr, leftPtr, rightPtr, length);
  };
}
