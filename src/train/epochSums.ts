// The sums of an epoch's losses and hits. Rank 0 adds each step's, folded along the replica tree,
// so that they come out the same for any number of workers; main reads them between steps.

import { splitSize } from '../base/tree.ts';

/** Places in `epoch.sums`. */
export const EPOCH_LOSS = 0;
export const EPOCH_CORRECT = 1;
export const EPOCH_COUNT = 2;

/** Adds one step: the shards' sums, [replica][loss, correct], of `count` samples in all. The
 * shards' sums are folded in place. */
export function foldShardSums(
  epochSums: Float64Array,
  shardSums: Float64Array,
  count: number,
): void {
  foldTree(shardSums, 0, shardSums.length / 2);
  epochSums[EPOCH_LOSS] = epochSums[EPOCH_LOSS]! + shardSums[0]!;
  epochSums[EPOCH_CORRECT] = epochSums[EPOCH_CORRECT]! + shardSums[1]!;
  epochSums[EPOCH_COUNT] = epochSums[EPOCH_COUNT]! + count;
}

/** Leaves the sums over replicas [lo, hi) in the place of the first one. */
function foldTree(sums: Float64Array, lo: number, hi: number): void {
  if (hi - lo === 1) return;
  const mid = lo + splitSize(hi - lo);
  foldTree(sums, lo, mid);
  foldTree(sums, mid, hi);
  sums[lo * 2] = sums[lo * 2]! + sums[mid * 2]!;
  sums[lo * 2 + 1] = sums[lo * 2 + 1]! + sums[mid * 2 + 1]!;
}
