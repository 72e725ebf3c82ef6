// The sums of an epoch's losses and hits. Rank 0 adds each step's, folded along the replica tree,
// so that they come out the same for any number of workers, and publishes them with the number of
// steps that they belong to: main reads both together, also while steps run.

import { splitSize } from '../base/tree.ts';
import type { ControlWords } from '../sync/words.ts';

/** Places in `epoch.sums`. */
export const EPOCH_LOSS = 0;
export const EPOCH_CORRECT = 1;
export const EPOCH_COUNT = 2;
export const EPOCH_LENGTH = 4;

/** Word of the progress line: steps that are done. */
export const PROGRESS_STEPS = 0;

/** Length of `epoch.published`: two slots, for even and odd numbers of steps, each with loss,
 * correct, count and that number. */
export const PUBLISHED_LENGTH = 2 * EPOCH_LENGTH;
const PUBLISHED_STEPS = 3;

/** What is known of an epoch after so many steps of the run. */
export interface EpochState {
  readonly steps: number;
  readonly loss: number;
  readonly correct: number;
  /** Samples that the sums are of. */
  readonly count: number;
}

/** Folds the shards' sums, [replica][loss, correct], in place: those of the step are then in the
 * first shard's. */
export function foldShardSums(shardSums: Float64Array): void {
  foldTree(shardSums, 0, shardSums.length / 2);
}

/** Adds one step of `count` samples, whose sums are folded. */
export function addStep(epochSums: Float64Array, shardSums: Float64Array, count: number): void {
  epochSums[EPOCH_LOSS] = epochSums[EPOCH_LOSS]! + shardSums[0]!;
  epochSums[EPOCH_CORRECT] = epochSums[EPOCH_CORRECT]! + shardSums[1]!;
  epochSums[EPOCH_COUNT] = epochSums[EPOCH_COUNT]! + count;
}

/** Publishes the sums after `steps` steps. The slot that is written is not the one that readers
 * are sent to until the number of steps is stored. */
export function publishEpoch(
  published: Float64Array,
  progress: ControlWords,
  epochSums: Float64Array,
  steps: number,
): void {
  const at = (steps & 1) * EPOCH_LENGTH;
  for (let i = 0; i < PUBLISHED_STEPS; i++) published[at + i] = epochSums[i]!;
  published[at + PUBLISHED_STEPS] = steps;
  Atomics.store(progress, PROGRESS_STEPS, steps);
}

/** The sums and the steps that they belong to. A slot is written again two steps later, which
 * begins only when another number of steps is stored: what was read before that is whole. */
export function readEpoch(published: Float64Array, progress: ControlWords): EpochState {
  for (;;) {
    const steps = Atomics.load(progress, PROGRESS_STEPS);
    const at = (steps & 1) * EPOCH_LENGTH;
    const loss = published[at + EPOCH_LOSS]!;
    const correct = published[at + EPOCH_CORRECT]!;
    const count = published[at + EPOCH_COUNT]!;
    const belongsTo = published[at + PUBLISHED_STEPS]!;
    const isWhole = belongsTo === steps && Atomics.load(progress, PROGRESS_STEPS) === steps;
    if (isWhole) return { steps, loss, correct, count };
  }
}

/** Leaves the sum over replicas [lo, hi) in the place of the first one. */
function foldTree(sums: Float64Array, lo: number, hi: number): void {
  if (hi - lo === 1) return;
  const mid = lo + splitSize(hi - lo);
  foldTree(sums, lo, mid);
  foldTree(sums, mid, hi);
  sums[lo * 2] = sums[lo * 2]! + sums[mid * 2]!;
  sums[lo * 2 + 1] = sums[lo * 2 + 1]! + sums[mid * 2 + 1]!;
}
