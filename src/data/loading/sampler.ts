// Which samples a step works on: the number of steps in an epoch, and its order. reduce/grains.ts
// assigns them to workers. Index arithmetic only.

import { checkInteger, UsageError } from '../../base/errors.ts';
import { Purpose, RandomStream } from '../../base/random.ts';

export interface EpochRequest {
  readonly countSamples: number;
  /** Samples of a full step. */
  readonly globalBatch: number;
  /** Leave out a last batch that is not full. Default: false, every sample is used. */
  readonly dropLast?: boolean;
}

export interface EpochPlan {
  readonly stepsPerEpoch: number;
  /** Samples of the last step, 1 to globalBatch. */
  readonly lastBatch: number;
}

/** The number of steps in an epoch, and of samples in its last one. Throws a UsageError if no step
 * is left because the only batch is not full and is dropped. */
export function planEpoch(request: EpochRequest): EpochPlan {
  const { countSamples, globalBatch, dropLast = false } = request;
  checkInteger('training samples', countSamples, 1);
  checkInteger('global batch', globalBatch, 1);
  const full = Math.floor(countSamples / globalBatch);
  const rest = countSamples % globalBatch;
  if (rest === 0 || (dropLast && full > 0)) return { stepsPerEpoch: full, lastBatch: globalBatch };
  if (!dropLast) return { stepsPerEpoch: full + 1, lastBatch: rest };
  throw new UsageError({
    what: 'global batch with dropLast',
    given: globalBatch,
    allowed: `at most ${countSamples}, the number of training samples`,
    hint: 'a smaller batch, or dropLast: false',
  });
}

/** Writes 0, 1, 2, ...: the order of an epoch without shuffling. */
export function identityOrder(order: Int32Array): void {
  for (let i = 0; i < order.length; i++) order[i] = i;
}

/** Writes the permutation of (seed, epoch), always starting from the identity, so that any epoch
 * can be made without the previous ones. */
export function shuffleOrder(order: Int32Array, seed: number, epoch: number): void {
  identityOrder(order);
  shufflePart(order, 0, order.length, new RandomStream().reset(seed, Purpose.shuffle, epoch, 0));
}

/** Shuffles [from, to) with the Fisher-Yates shuffle (Durstenfeld 1964). */
export function shufflePart(
  order: Int32Array,
  from: number,
  to: number,
  random: RandomStream,
): void {
  for (let i = to - 1; i > from; i--) {
    const j = from + random.nextBelow(i + 1 - from);
    const taken = order[i]!;
    order[i] = order[j]!;
    order[j] = taken;
  }
}
