// Which samples a step works on: the steps of an epoch, and its order. Who gets them is in
// reduce/grains.ts. Pure index maths.

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

/** How many steps an epoch has and how many samples its last one. Throws a UsageError when no step
 * is left because the only batch is not full and dropped. */
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
    allowed: `at most the ${countSamples} training samples`,
    hint: 'a smaller batch, or dropLast: false',
  });
}

/** Writes 0, 1, 2, ...: the order of an epoch that is not shuffled. */
export function identityOrder(order: Int32Array): void {
  for (let i = 0; i < order.length; i++) order[i] = i;
}

/** Writes the permutation of (seed, epoch), always from the identity, so that any epoch can be made
 * without those before it. */
export function shuffleOrder(order: Int32Array, seed: number, epoch: number): void {
  identityOrder(order);
  shufflePart(order, 0, order.length, new RandomStream().reset(seed, Purpose.shuffle, epoch, 0));
}

/** Shuffles what is in [from, to): Fisher and Yates's shuffle (Durstenfeld 1964). */
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
