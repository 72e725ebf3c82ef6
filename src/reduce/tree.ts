// The one fixed binary tree along which every sum over a global batch is folded. Its leaves are the
// grains, and a subtree over [lo, hi) splits where its left part is the largest power of two below
// its size, so that the tree depends on the number of grains alone. Pure index maths; what is
// folded is in folds.ts.

/** Leaves from `lo` up to, not including, `hi`: a subtree, or what a worker holds. */
export interface Span {
  readonly lo: number;
  readonly hi: number;
}

/** Where the subtree over `size` leaves splits: the size of its left part. */
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

/** What a fold of a tree consists of. */
export interface TreeFold<T> {
  /** What stands for a subtree; undefined where its halves are to be folded. `depth` counts the
   * left halves whose result waits meanwhile. A single leaf has to have one. */
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

/** The most results that wait at once while a tree of `size` leaves is folded, the one at work
 * included. */
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
