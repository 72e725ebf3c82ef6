// The sums of an epoch's losses and hits. Rank 0 adds those of each step, folded along the tree so
// that they are the same for any number of workers, and publishes them with the number of steps
// that they belong to. The main thread reads both together, even while steps run.

import type { ControlWords } from '../sync/words.ts';
import { foldsInPlace } from './folds.ts';

/** Indices in `epoch.sums`. Further losses follow. */
export const EPOCH_LOSS = 0;
export const EPOCH_CORRECT = 1;
export const EPOCH_COUNT = 2;
export const EPOCH_LEFT_OUT = 3;
export const EPOCH_LENGTH = 4;

/** The word of the progress line that holds the number of completed steps. */
export const PROGRESS_STEPS = 0;

/** The length of `epoch.published` for epoch sums of the given length. Each of its two slots, for
 * even and odd numbers of steps, has the epoch's sums and that number. */
export function publishedLength(epochLength: number): number {
  return 2 * (epochLength + 1);
}

/** The sums of an epoch after a number of steps of the run. */
export interface EpochState {
  readonly steps: number;
  readonly loss: number;
  readonly correct: number;
  /** Number of samples in the sums. */
  readonly count: number;
  /** Number of their labels that do not count: those of samples with weight 0, and ignored pixels
   * of masks. */
  readonly leftOut: number;
  /** Sums of further losses, each times its weight. */
  readonly furtherLosses: readonly number[];
}

/** The number of sums of a grain: its losses, its hits, and its labels that do not count. Sums of
 * further losses follow. */
export const GRAIN_SUMS = 3;

/** Binds the in-place fold of the grains' sums, `length` for each grain. The sums of the step end
 * up in those of the first grain. */
export function bindGrainFold(grainSums: Float64Array, length: number): () => void {
  const tree = { lo: 0, hi: grainSums.length / length };
  const folds = foldsInPlace(tree, (grain) => grain * length);
  return () => {
    for (const { intoPtr, leftPtr, rightPtr } of folds) {
      for (let i = 0; i < length; i++) {
        grainSums[intoPtr + i] = grainSums[leftPtr + i]! + grainSums[rightPtr + i]!;
      }
    }
  };
}

/** Adds one step of `count` samples. Its sums must be folded. */
export function addStep(epochSums: Float64Array, grainSums: Float64Array, count: number): void {
  epochSums[EPOCH_LOSS] = epochSums[EPOCH_LOSS]! + grainSums[0]!;
  epochSums[EPOCH_CORRECT] = epochSums[EPOCH_CORRECT]! + grainSums[1]!;
  epochSums[EPOCH_COUNT] = epochSums[EPOCH_COUNT]! + count;
  epochSums[EPOCH_LEFT_OUT] = epochSums[EPOCH_LEFT_OUT]! + grainSums[2]!;
  for (let i = EPOCH_LENGTH; i < epochSums.length; i++) {
    epochSums[i] = epochSums[i]! + grainSums[GRAIN_SUMS + i - EPOCH_LENGTH]!;
  }
}

/** Publishes the sums after `steps` steps. Readers do not look at the slot that is written until
 * the number of steps is stored. */
export function publishEpoch(
  published: Float64Array,
  progress: ControlWords,
  epochSums: Float64Array,
  steps: number,
): void {
  const { length } = epochSums;
  const at = (steps & 1) * (length + 1);
  for (let i = 0; i < length; i++) published[at + i] = epochSums[i]!;
  published[at + length] = steps;
  Atomics.store(progress, PROGRESS_STEPS, steps);
}

/** Reads the sums and the number of steps that they belong to. A slot is only overwritten after
 * another number of steps has been stored, so anything read before that is consistent. */
export function readEpoch(published: Float64Array, progress: ControlWords): EpochState {
  const slot = published.length / 2;
  for (;;) {
    const steps = Atomics.load(progress, PROGRESS_STEPS);
    const at = (steps & 1) * slot;
    const loss = published[at + EPOCH_LOSS]!;
    const correct = published[at + EPOCH_CORRECT]!;
    const count = published[at + EPOCH_COUNT]!;
    const leftOut = published[at + EPOCH_LEFT_OUT]!;
    const furtherLosses = [...published.subarray(at + EPOCH_LENGTH, at + slot - 1)];
    const belongsTo = published[at + slot - 1]!;
    const isWhole = belongsTo === steps && Atomics.load(progress, PROGRESS_STEPS) === steps;
    if (isWhole) return { steps, loss, correct, count, leftOut, furtherLosses };
  }
}
