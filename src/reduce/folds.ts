// From the tree to addresses: three ways to fold, each resolved once to a list of additions. In
// place, where all leaves lie side by side; in order, where leaves come one after the other and
// partial sums wait on a stack; and from what all workers have published to the root.

import { foldTree, type Span, treeDepth } from './tree.ts';

/** into = left + right, by address, or by whatever else tells places apart. */
export interface Fold {
  readonly intoPtr: number;
  readonly leftPtr: number;
  readonly rightPtr: number;
}

/** The folds of a subtree whose leaves are all there: each result takes the place of its first
 * leaf. */
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

/** The folds of a subtree from published nodes, in place: each result takes the place of its first
 * node. */
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

/** What to do with one of the parts of a subtree that come in order: a leaf, or a subtree of it
 * that is folded elsewhere. */
export interface OrderedPart extends Span {
  /** Where it is to be written. */
  readonly ptr: number;
  /** What can be folded once it is there. */
  readonly folds: readonly Fold[];
}

/** The folds of a subtree whose parts come in order, which are its leaves and the subtrees that are
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

/** How many levels of the stack hold sums, the result's included, between the leaf before `border`
 * and that after it; 1 where the border is the node's own. */
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
  /** Where the root lies then: in a published node when there is nothing to fold. */
  readonly rootPtr: number;
}

/** The folds that finish a tree from published nodes, which are only read; results go to
 * temporaries, of which there are {@link countTemporaries}. */
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

/** How many temporaries finishing a tree of `leaves` takes at most. */
export function countTemporaries(leaves: number): number {
  return treeDepth(leaves);
}
