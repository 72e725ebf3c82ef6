// What an evaluation gives: the workers leave a loss and a hit for each sample, which main sums in
// the order of the samples, so that the number of workers changes no bit.

import { UsageError } from '../base/errors.ts';
import { nearestWord } from '../base/nearest.ts';
import type { Task } from '../data/dataset.ts';
import type { DatasetDescription } from '../data/identity.ts';
import type { SplitName } from '../train/context.ts';

export interface Evaluation {
  readonly loss: number;
  /** Share of samples whose class was right; NaN for regression. */
  readonly accuracy: number;
  readonly count: number;
  readonly seconds: number;
}

/** Means over the first `count` rows of [loss, correct]. */
export function sumSamples(
  samples: Float64Array,
  count: number,
  task: Task,
): Omit<Evaluation, 'seconds'> {
  let loss = 0;
  let correct = 0;
  for (let i = 0; i < count; i++) {
    loss += samples[i * 2]!;
    correct += samples[i * 2 + 1]!;
  }
  const isClass = task.kind === 'classification';
  return { loss: loss / count, accuracy: isClass ? correct / count : Number.NaN, count };
}

export function secondsSince(startMs: number): number {
  return (performance.now() - startMs) / 1000;
}

const SPLITS = ['train', 'test'] as const satisfies readonly SplitName[];

/** How many samples a split has, or a {@link UsageError} when it has none or is none. */
export function countSamples(data: DatasetDescription, split: SplitName): number {
  if (!SPLITS.includes(split)) {
    const nearest = typeof split === 'string' ? nearestWord(split, SPLITS) : undefined;
    throw new UsageError({
      what: 'the split of evaluate',
      given: split,
      allowed: "'train' or 'test'",
      ...(nearest !== undefined && { hint: `'${nearest}'` }),
    });
  }
  const count = split === 'train' ? data.countTrain : data.countTest;
  if (count > 0) return count;
  throw new UsageError({
    what: `evaluate('${split}') on ${data.name}`,
    given: 'no samples',
    allowed: 'a split with samples',
  });
}
