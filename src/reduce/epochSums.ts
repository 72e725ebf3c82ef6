// The sums of an epoch's losses and hits. Rank 0 adds each step's, folded along the tree, so that
// they come out the same for any number of workers, and publishes them with the number of steps
// that they belong to: main reads both together, also while steps run.

import type { ControlWords } from '../sync/words.ts';
import { foldsInPlace } from './folds.ts';

/** Places in `epoch.sums`. Further losses follow. */
export const EPOCH_LOSS = 0;
export const EPOCH_CORRECT = 1;
export const EPOCH_COUNT = 2;
export const EPOCH_LEFT_OUT = 3;
export const EPOCH_LENGTH = 4;

/** Word of the progress line: steps that are done. */
export const PROGRESS_STEPS = 0;

/** The length of `epoch.published` for sums of an epoch of a length: each of its two slots, for
 * even and odd numbers of steps, has the epoch's sums and that number. */
export function publishedLength(epochLength: number): number {
  return 2 * (epochLength + 1);
}

/** What is known of an epoch after so many steps of the run. */
export interface EpochState {
  readonly steps: number;
  readonly loss: number;
  readonly correct: number;
  /** Samples that the sums are of. */
  readonly count: number;
  /** Their labels that do not count: of samples of weight 0, and ignored pixels of masks. */
  readonly leftOut: number;
  /** Of other losses, each times its weight. */
  readonly furtherLosses: readonly number[];
}

/** Numbers of a grain: the sum of its losses, its hits, and its labels that do not count. Sums of
 * further losses follow. */
export const GRAIN_SUMS = 3;

/** Binds the fold of the grains' sums, `length` for each grain, in place: those of the step are
 * then in the first grain's. */
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

/** Adds one step of `count` samples, whose sums are folded. */
export function addStep(epochSums: Float64Array, grainSums: Float64Array, count: number): void {
  epochSums[EPOCH_LOSS] = epochSums[EPOCH_LOSS]! + grainSums[0]!;
  epochSums[EPOCH_CORRECT] = epochSums[EPOCH_CORRECT]! + grainSums[1]!;
  epochSums[EPOCH_COUNT] = epochSums[EPOCH_COUNT]! + count;
  epochSums[EPOCH_LEFT_OUT] = epochSums[EPOCH_LEFT_OUT]! + grainSums[2]!;
  for (let i = EPOCH_LENGTH; i < epochSums.length; i++) {
    epochSums[i] = epochSums[i]! + grainSums[GRAIN_SUMS + i - EPOCH_LENGTH]!;
  }
}

/** Publishes the sums after `steps` steps. The slot that is written is not the one that readers
 * are sent to until the number of steps is stored. */
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

/** The sums and the steps that they belong to. A slot is written again two steps later, which
 * begins only when another number of steps is stored: what was read before that is whole. */
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
