// Maps the tree to addresses. There are three ways to fold, each resolved once to a list of
// additions: in place, if all leaves are in memory; in order, if leaves come one after the other
// and partial sums wait on a stack; and from the subtrees that all workers have published to the
// root.

import { foldTree, type Span, treeDepth } from './tree.ts';

/** into = left + right, by address or by any other identifier of places. */
export interface Fold {
  readonly intoPtr: number;
  readonly leftPtr: number;
  readonly rightPtr: number;
}

/** The folds of a subtree with all leaves in memory: each result overwrites its first leaf. */
export function foldsInPlace(node: Span, leafPtr: (leaf: number) => number): readonly Fold[] {
  const folds: Fold[] = [];
  foldTree<number>(node, {
    end: ({ lo, hi }) => (hi - lo === 1 ? leafPtr(lo) : undefined),
    fold(leftPtr, rightPtr) {
      folds.push({ intoPtr: leftPtr, leftPtr, rightPtr });
      return leftPtr;
    },
  });
  return folds;
}

/** The in-place folds of a subtree from published nodes: each result overwrites its first node. */
export function mergesInPlace(node: Span, nodes: readonly PublishedNode[]): readonly Fold[] {
  const folds: Fold[] = [];
  foldTree<number>(node, {
    end: (part) => ptrOf(part, nodes),
    fold(leftPtr, rightPtr) {
      folds.push({ intoPtr: leftPtr, leftPtr, rightPtr });
      return leftPtr;
    },
  });
  return folds;
}

function ptrOf({ lo, hi }: Span, nodes: readonly PublishedNode[]): number | undefined {
  return nodes.find((node) => node.lo === lo && node.hi === hi)?.ptr;
}

/** What to do with the next part of a subtree that is folded in order: a leaf, or a smaller subtree
 * that is folded elsewhere. */
export interface OrderedPart extends Span {
  /** The address to write it to. */
  readonly ptr: number;
  /** The folds that become possible once it is written. */
  readonly folds: readonly Fold[];
}

/** The folds of a subtree with parts that come in order: its leaves, and the subtrees that are
 * `folded`. Level 0 of the stack holds the result; there are `treeDepth` levels. */
export function foldsInOrder(
  node: Span,
  levelPtr: (level: number) => number,
  folded: readonly Span[] = [],
): readonly OrderedPart[] {
  const parts: (Span & { ptr: number; folds: Fold[] })[] = [];
  foldTree<number>(node, {
    end({ lo, hi }, level) {
      const isFolded = folded.some((part) => part.lo === lo && part.hi === hi);
      if (hi - lo > 1 && !isFolded) return undefined;
      const ptr = levelPtr(level);
      parts.push({ lo, hi, ptr, folds: [] });
      return ptr;
    },
    fold(leftPtr, rightPtr) {
      parts[parts.length - 1]!.folds.push({ intoPtr: leftPtr, leftPtr, rightPtr });
      return leftPtr;
    },
  });
  return parts;
}

/** The number of stack levels that hold sums, including the result's, between the leaf before
 * `border` and the one after it; 1 if the border is that of the node itself. */
export function levelsAcross(node: Span, border: number): number {
  if (border <= node.lo || border >= node.hi) return 1;
  const { ptr: level, folds } = foldsInOrder(node, (at) => at)[border - 1 - node.lo]!;
  return level + 1 - folds.length;
}

/** A subtree that a worker or a process has folded and published. */
export interface PublishedNode extends Span {
  readonly ptr: number;
}

export interface RootFolds {
  readonly folds: readonly Fold[];
  /** The address of the root afterward, which is in a published node if there is nothing to
   * fold. */
  readonly rootPtr: number;
}

/** The folds that finish a tree from published nodes, which are only read. Results go to
 * temporaries; {@link countTemporaries} gives their number. */
export function foldsToRoot(
  tree: Span,
  nodes: readonly PublishedNode[],
  temporaryPtr: (index: number) => number,
): RootFolds {
  const folds: Fold[] = [];
  const rootPtr = foldTree<number>(tree, {
    end: (part) => ptrOf(part, nodes),
    fold(leftPtr, rightPtr, depth) {
      const intoPtr = temporaryPtr(depth);
      folds.push({ intoPtr, leftPtr, rightPtr });
      return intoPtr;
    },
  });
  return { folds, rootPtr };
}

/** The maximum number of temporaries needed to finish a tree of `leaves` leaves. */
export function countTemporaries(leaves: number): number {
  return treeDepth(leaves);
}
