// What an evaluation gives: the workers leave a loss and a hit for each sample, which main sums in
// the order of the samples, so that the number of workers changes no bit.

import { UsageError } from '../base/errors.ts';
import { nearestWord } from '../base/nearest.ts';
import { viewOf } from '../memory/arena.ts';
import type { DataPlan } from '../plan/config.ts';
import { knowsRight } from '../plan/lossPlan.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { SplitName } from '../train/context.ts';
import type { Network } from './network.ts';
import { shareSamples } from './sharing.ts';
import type { Team } from './team.ts';

export interface Evaluation {
  /** Mean over the samples, by their weights. */
  readonly loss: number;
  /** Share of samples that were right, of those whose weight is not 0; NaN for losses that know no
   * right and wrong. A sample with several labels is right where all outputs are. */
  readonly accuracy: number;
  readonly count: number;
  readonly seconds: number;
}

export interface EvaluateOptions {
  /** Which weights: those that are trained (default), or their `average`, whose running statistics
   * are then measured first, exactly: see {@link UseAverageOptions}. */
  readonly weights?: 'raw' | 'average';
  /** As {@link UseAverageOptions.batches}; of the average only. */
  readonly batches?: number;
}

export interface UseAverageOptions {
  /** Training batches over which the running statistics of the average are measured (PreciseBN),
   * those of the steps that would come next. Default: those of an epoch, at most 100. */
  readonly batches?: number;
}

/** Has the workers of all processes evaluate a split of `count` samples. */
export async function evaluateOn(
  run: {
    readonly plan: RunPlan;
    readonly memory: WebAssembly.Memory;
    readonly team: Team;
    readonly network: Network | undefined;
  },
  split: SplitName,
  count: number,
): Promise<Evaluation> {
  const { plan, memory, team } = run;
  const startMs = performance.now();
  await team.callAll((api) => api.evaluate(split));
  await shareSamples(run, 'evaluated', count);
  const samples = viewOf(memory, plan.regions.inference.evaluated);
  const { loss, accuracy } = sumSamples(samples, count);
  const known = knowsRight(plan.config) ? accuracy : Number.NaN;
  return { loss, accuracy: known, count, seconds: (performance.now() - startMs) / 1000 };
}

/** Means over the first `count` rows of [loss, correct]; correct is NaN for samples left out. */
function sumSamples(samples: Float64Array, count: number): Pick<Evaluation, 'loss' | 'accuracy'> {
  let loss = 0;
  let correct = 0;
  let leftOut = 0;
  for (let i = 0; i < count; i++) {
    loss += samples[i * 2]!;
    if (Number.isNaN(samples[i * 2 + 1])) leftOut++;
    else correct += samples[i * 2 + 1]!;
  }
  return { loss: loss / count, accuracy: correct / (count - leftOut) };
}

const SPLITS = ['train', 'test', 'validation'] as const satisfies readonly SplitName[];

/** How many samples a split of the data called `name` has, or a {@link UsageError} when it has none
 * or is none; `what` takes the split. */
export function countSamples(
  { name, data }: { readonly name: string; readonly data: DataPlan },
  split: SplitName,
  what = 'evaluate',
): number {
  if (!SPLITS.includes(split)) {
    const nearest = typeof split === 'string' ? nearestWord(split, SPLITS) : undefined;
    throw new UsageError({
      what: `the split of ${what}`,
      given: split,
      allowed: "'train', 'test' or 'validation'",
      ...(nearest !== undefined && { hint: `'${nearest}'` }),
    });
  }
  const { countTrain, countTest, countValidation = 0 } = data;
  const count = { train: countTrain, test: countTest, validation: countValidation }[split];
  if (count > 0) return count;
  throw new UsageError({
    what: `${what} of '${split}' on ${name}`,
    given: 'no samples',
    allowed: 'a split with samples',
    ...(split === 'validation' && {
      hint: 'validationSplit: 0.1 (--validation-split 0.1), which holds out training samples',
    }),
  });
}
