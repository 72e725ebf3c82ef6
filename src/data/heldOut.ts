// Chooses training samples to hold out, for validation or as a test split: a fraction or a count,
// drawn by the seed and stratified by class, so that both parts have the same mixture.

import { UsageError } from '../base/errors.ts';
import { Purpose, RandomStream } from '../base/random.ts';
import type { Dataset } from './dataset.ts';

/** Samples grouped by their targets. */
interface Labeled extends Pick<Dataset, 'task'> {
  readonly train: { readonly count: number; readonly targets: ArrayLike<number> };
}

/** How many of `total` samples to hold out: a fraction below 1, or a count from 1 on. Throws a
 * {@link UsageError} that names `what` unless both parts have a sample. */
export function countHeldOut(what: string, total: number, asked: number): number {
  const count = asked < 1 ? Math.round(asked * total) : asked;
  if (Number.isInteger(count) && count >= 1 && count < total) return count;
  const shown = asked < 1 ? `${asked}, which is ${count} of ${total} samples` : asked;
  throw new UsageError({
    what,
    given: shown,
    allowed: `a share below 1 or a count, so that 1 to ${total - 1} of ${total} samples are taken`,
  });
}

/** Marks `count` of the training samples with 1, drawn by the seed; each class contributes its
 * share (largest remainders, Hamilton's method). */
export function drawHeldOut(dataset: Labeled, count: number, seed: number): Uint8Array {
  const isHeldOut = new Uint8Array(dataset.train.count);
  const groups = groupsOf(dataset);
  const taken = quotas(groups, dataset.train.count, count);
  for (const [group, members] of groups.entries()) {
    const random = new RandomStream().reset(seed, Purpose.heldOut, group, 0);
    let left = taken[group]!;
    // Knuth, The Art of Computer Programming 3.4.2, algorithm S.
    for (const [i, sample] of members.entries()) {
      if (random.nextBelow(members.length - i) >= left) continue;
      isHeldOut[sample] = 1;
      left--;
    }
  }
  return isHeldOut;
}

/** The samples of each class, in order, then those without a class. One group if there are no
 * classes. */
function groupsOf({ task, train }: Labeled): readonly (readonly number[])[] {
  const classes = task.kind === 'classification' ? task.classes : 0;
  const groups: number[][] = Array.from({ length: classes + 1 }, () => []);
  for (let sample = 0; sample < train.count; sample++) {
    const target = classes === 0 ? -1 : train.targets[sample]!;
    groups[target < 0 ? classes : target]!.push(sample);
  }
  return groups;
}

/** How many samples of each class to hold out. */
function quotas(
  groups: readonly (readonly number[])[],
  total: number,
  count: number,
): readonly number[] {
  const exact = groups.map((members) => members.length * count);
  const taken = exact.map((share) => Math.floor(share / total));
  const missing = count - taken.reduce((sum, quota) => sum + quota, 0);
  const byRemainder = exact.map((share, group) => ({ group, rest: share % total }));
  byRemainder.sort((a, b) => b.rest - a.rest || a.group - b.group);
  for (const { group } of byRemainder.slice(0, missing)) taken[group]!++;
  return taken;
}
