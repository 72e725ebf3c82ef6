// Puts the average of the weights in place of the weights, for one evaluation or permanently.
// Running statistics belong to the weights, so the average's statistics are first measured exactly
// (PreciseBN). With the old statistics, the average would evaluate worse than it should.

import { UsageError } from '../base/errors.ts';
import { viewOf } from '../memory/arena.ts';
import { firstAverage } from '../optim/averageRate.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { Feeds } from './feeds.ts';
import { measure } from './preciseNorm.ts';
import type { Team } from './team.ts';

/** The most training batches over which an average's statistics are measured. */
const MOST_BATCHES = 100;

export interface AveragedRun {
  readonly plan: RunPlan;
  readonly memory: WebAssembly.Memory;
  readonly team: Team;
  readonly feeds: Feeds;
  /** Steps completed. */
  readonly step: number;
}

/** The number of batches over which the average's statistics are measured. */
export function batchesFor({ stepsPerEpoch }: RunPlan, batches: number | undefined): number {
  return batches ?? Math.min(stepsPerEpoch, MOST_BATCHES);
}

/** Whether there is an average after the given number of steps. */
export function hasAverage({ config, stepsPerEpoch }: RunPlan, step: number): boolean {
  const { averaging } = config;
  return averaging !== undefined && step >= firstAverage(averaging, stepsPerEpoch);
}

/** Throws a {@link UsageError} if the run has no average, or does not have one yet. */
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

/** Puts the average in place of the weights, with its own statistics. */
export async function takeAverage(run: AveragedRun, batches: number): Promise<void> {
  const { values, average } = viewsOf(run);
  for (const { isTrained, offset, trainedOffset, length } of run.plan.parameters.entries) {
    if (isTrained) values.set(average.subarray(trainedOffset, trainedOffset + length), offset);
  }
  if (run.plan.populations.length > 0) await measure(run, batches, 'pooled');
}

/** Runs `use` with the average in place of the weights, then restores the state. */
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
