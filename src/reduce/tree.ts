// The one fixed binary tree along which every sum over a global batch is folded. Its leaves are the
// grains, and a subtree over [lo, hi) is split so that the size of its left part is the largest
// power of two below its size, so the tree depends only on the number of grains. Pure index math;
// folds.ts decides what is folded.

/** Leaves from `lo` up to but not including `hi`: a subtree, or the range of a worker. */
export interface Span {
  readonly lo: number;
  readonly hi: number;
}

/** The size of the left part of a subtree over `size` leaves. */
export function splitSize(size: number): number {
  let left = 1;
  while (left * 2 < size) left *= 2;
  return left;
}

/** The largest subtrees of a tree that together cover the part of a range in it, in order. */
export function coverNodes(tree: Span, range: Span): readonly Span[] {
  if (range.lo >= range.hi || range.hi <= tree.lo || range.lo >= tree.hi) return [];
  if (range.lo <= tree.lo && tree.hi <= range.hi) return [tree];
  const [left, right] = halvesOf(tree);
  return [...coverNodes(left, range), ...coverNodes(right, range)];
}

/** The operations of a fold along a tree. */
export interface TreeFold<T> {
  /** The value of a subtree, or undefined if its halves have to be folded. `depth` counts the
   * results of left halves that wait meanwhile. A single leaf must have a value. */
  end(node: Span, depth: number): T | undefined;
  /** Folds the halves of a subtree. */
  fold(left: T, right: T, depth: number, node: Span): T;
}

/** Folds a tree, left halves first; the only recursion along it. */
export function foldTree<T>(node: Span, by: TreeFold<T>, depth = 0): T {
  const end = by.end(node, depth);
  if (end !== undefined) return end;
  const [left, right] = halvesOf(node);
  const folded = foldTree(left, by, depth);
  return by.fold(folded, foldTree(right, by, depth + 1), depth, node);
}

/** The maximum number of results held at once while a tree of `size` leaves is folded, including
 * the current one. */
export function treeDepth(size: number): number {
  let depth = 1;
  for (let span = 1; span < size; span *= 2) depth++;
  return depth;
}

function halvesOf({ lo, hi }: Span): readonly [Span, Span] {
  const mid = lo + splitSize(hi - lo);
  return [
    { lo, hi: mid },
    { lo: mid, hi },
  ];
}
