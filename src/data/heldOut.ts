// Which training samples are held out, for validation or as a test split: a share or a count of
// them, drawn by seed, by class where there are classes, so that both parts have the same mixture.

import { UsageError } from '../base/errors.ts';
import { Purpose, RandomStream } from '../base/random.ts';
import type { Dataset } from './dataset.ts';

/** How many of `total` samples are held out: a share below 1, or from 1 on a count. Throws a
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

/** Marks `count` of the training samples with 1: drawn by seed, of each class its share (largest
 * remainders, Hamilton's method). */
export function drawHeldOut(dataset: Dataset, count: number, seed: number): Uint8Array {
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

/** The samples of each class, in their order, those without a class last; all in one group where
 * there are no classes. */
function groupsOf({ task, train }: Dataset): readonly (readonly number[])[] {
  const classes = task.kind === 'classification' ? task.classes : 1;
  const groups: number[][] = Array.from({ length: classes + 1 }, () => []);
  for (let sample = 0; sample < train.count; sample++) {
    const label = task.kind === 'classification' ? train.targets[sample]! : 0;
    groups[label < 0 ? classes : label]!.push(sample);
  }
  return groups;
}

/** How many samples of each class are held out. */
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
