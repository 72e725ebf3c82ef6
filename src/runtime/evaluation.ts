// What an evaluation gives: the workers leave a loss and a hit for each sample, which main sums in
// the order of the samples, so that the number of workers changes no bit.

import { UsageError } from '../base/errors.ts';
import { nearestWord } from '../base/nearest.ts';
import type { DatasetDescription } from '../data/identity.ts';
import { viewOf } from '../memory/arena.ts';
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
