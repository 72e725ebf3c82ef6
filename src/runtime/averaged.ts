// The average of the weights in the place of the weights: for an evaluation, or for good. Running
// statistics are of the weights, so those of the average are measured first, exactly (PreciseBN);
// averages that keep the old ones evaluate worse than they are.

import { UsageError } from '../base/errors.ts';
import { viewOf } from '../memory/arena.ts';
import { firstAverage } from '../optim/averageRate.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { Feeds } from './feeds.ts';
import { measure } from './preciseNorm.ts';
import type { Team } from './team.ts';

/** Training batches over which the statistics of an average are measured, at most. */
const MOST_BATCHES = 100;

export interface AveragedRun {
  readonly plan: RunPlan;
  readonly memory: WebAssembly.Memory;
  readonly team: Team;
  readonly feeds: Feeds;
  /** Steps done. */
  readonly step: number;
}

/** Over how many batches the statistics of the average are measured. */
export function batchesFor({ stepsPerEpoch }: RunPlan, batches: number | undefined): number {
  return batches ?? Math.min(stepsPerEpoch, MOST_BATCHES);
}

/** Whether there is an average after so many steps. */
export function hasAverage({ config, stepsPerEpoch }: RunPlan, step: number): boolean {
  const { averaging } = config;
  return averaging !== undefined && step >= firstAverage(averaging, stepsPerEpoch);
}

/** Throws a {@link UsageError} where there is no average, or none yet. */
export function checkAverage(what: string, { config, stepsPerEpoch }: RunPlan, step: number): void {
  const { averaging } = config;
  if (averaging === undefined) {
    throw new UsageError({
      what: `${what} of a run without averaging`,
      problem: 'has no average of the weights',
      hint: 'averaging: optim.averaging.ema() in the options of Trainer.start',
    });
  }
  const first = firstAverage(averaging, stepsPerEpoch);
  if (step >= first) return;
  throw new UsageError({
    what,
    given: `step ${step}`,
    allowed: `step ${first} or later, when the ${averaging.kind} average begins`,
  });
}

/** Puts the average in the place of the weights, with statistics of its own. */
export async function takeAverage(run: AveragedRun, batches: number): Promise<void> {
  const { values, average } = viewsOf(run);
  for (const { isTrained, offset, trainedOffset, length } of run.plan.parameters.entries) {
    if (isTrained) values.set(average.subarray(trainedOffset, trainedOffset + length), offset);
  }
  if (run.plan.populations.length > 0) await measure(run, batches, 'pooled');
}

/** Runs `use` with the average in the place of the weights; then all is as before. */
export async function withAverage<T>(
  run: AveragedRun,
  batches: number,
  use: () => Promise<T>,
): Promise<T> {
  const { values, buffers } = viewsOf(run);
  const before = { values: values.slice(), buffers: buffers.slice() };
  try {
    await takeAverage(run, batches);
    return await use();
  } finally {
    values.set(before.values);
    buffers.set(before.buffers);
  }
}

function viewsOf({ plan, memory }: AveragedRun) {
  const { values, optimizerState, buffers } = plan.regions.parameters;
  return {
    values: viewOf(memory, values),
    average: viewOf(memory, optimizerState[optimizerState.length - 1]!),
    buffers: viewOf(memory, buffers),
  };
}
