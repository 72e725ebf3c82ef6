// The one fixed binary tree over the replica index, along which every sum over replicas is folded.
// A subtree over [lo, hi) splits where its left part is the largest power of two below its size, so
// the tree depends on the number of replicas alone. Pure index maths; what is folded is elsewhere.

/** A subtree: the replicas from `lo` up to, not including, `hi`. */
export interface TreeNode {
  readonly lo: number;
  readonly hi: number;
}

/** One fold of {@link finishSchedule}: `into` becomes `left` + `right`. Non-negative numbers are
 * published nodes, `-1 - i` is temporary `i`. */
export interface TreeFold {
  readonly into: number;
  readonly left: number;
  readonly right: number;
}

/** What turns the published nodes into the root. */
export interface TreeSchedule {
  readonly folds: readonly TreeFold[];
  /** The operand that holds the root: a published node when there is nothing to fold. */
  readonly root: number;
  readonly countTemporaries: number;
}

/** Where the subtree over `size` leaves splits: the size of its left part. */
export function splitSize(size: number): number {
  let left = 1;
  while (left * 2 < size) left *= 2;
  return left;
}

/** The largest subtrees of the tree over [treeLo, treeHi) that together cover [lo, hi), in
 * order. */
export function coverNodes(treeLo: number, treeHi: number, lo: number, hi: number): TreeNode[] {
  if (lo >= hi || hi <= treeLo || lo >= treeHi) return [];
  if (lo <= treeLo && treeHi <= hi) return [{ lo: treeLo, hi: treeHi }];
  const mid = treeLo + splitSize(treeHi - treeLo);
  return [...coverNodes(treeLo, mid, lo, hi), ...coverNodes(mid, treeHi, lo, hi)];
}

/** The folds that finish the tree over [lo, hi) from published nodes that cover it exactly. */
export function finishSchedule(lo: number, hi: number, nodes: readonly TreeNode[]): TreeSchedule {
  const folds: TreeFold[] = [];
  let countTemporaries = 0;
  const visit = (from: number, to: number, depth: number): number => {
    const published = nodes.findIndex((node) => node.lo === from && node.hi === to);
    if (published >= 0) return published;
    const mid = from + splitSize(to - from);
    const left = visit(from, mid, depth);
    const right = visit(mid, to, left < 0 ? depth + 1 : depth);
    countTemporaries = Math.max(countTemporaries, depth + 1);
    folds.push({ into: -1 - depth, left, right });
    return -1 - depth;
  };
  const root = visit(lo, hi, 0);
  return { folds, root, countTemporaries };
}

/** After leaf `index` of a subtree of `size` leaves was pushed on a stack of partial sums: how many
 * times the two topmost partials are to be folded into one. After the last leaf one partial is
 * left. */
export function foldsAfterLeaf(index: number, size: number): number {
  if (index === size - 1) return countBits(index);
  let folds = 0;
  for (let i = index; (i & 1) === 1; i >>= 1) folds++;
  return folds;
}

/** The most partial sums that are on the stack at once while a subtree of `size` leaves is
 * folded. */
export function stackDepth(size: number): number {
  let depth = 1;
  for (let span = 1; span < size; span *= 2) depth++;
  return depth;
}

function countBits(value: number): number {
  let bits = 0;
  for (let v = value; v > 0; v &= v - 1) bits++;
  return bits;
}
