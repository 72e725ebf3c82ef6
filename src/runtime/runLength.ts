// The length of a run: its schedule is spread over that many epochs, regardless of how many calls
// of fit it takes and how often it is resumed.

import { UsageError } from '../base/errors.ts';
import { spansRun } from '../optim/learningRate.ts';
import type { ScheduleSpec } from '../optim/schedule.ts';

/** The total epochs of a run that had `known` epochs (0 while that is open) and now gets `asked`. A
 * schedule that spans the run keeps its length. With other schedules, a run may grow. */
export function runLength(schedule: ScheduleSpec, known: number, asked: number): number {
  if (asked <= known || known === 0) return Math.max(asked, known);
  if (!spansRun(schedule)) return asked;
  throw new UsageError({
    what: 'epochs',
    given: asked,
    allowed: `at most ${known}, over which the ${schedule.kind} schedule of this run is spread`,
    hint:
      `Trainer.start({ epochs: ${asked} }) for a run trained by several calls of fit, ` +
      'or a new run of that many epochs',
  });
}

/** Returns a function that reports, once, that a call ends before its schedule because an earlier
 * call has fixed the schedule's length. It reports nothing if the caller gave the run's length. */
export function lengthNotices(
  schedule: ScheduleSpec,
  run: { readonly hasOwnLength: boolean; readonly notify: (notice: string) => void },
): (length: number, asked: number) => void {
  let isSaid = run.hasOwnLength;
  return (length, asked) => {
    const notice = isSaid ? undefined : lengthNotice(schedule, length, asked);
    if (notice === undefined) return;
    isSaid = true;
    run.notify(notice);
  };
}

function lengthNotice(schedule: ScheduleSpec, length: number, asked: number): string | undefined {
  if (!spansRun(schedule) || asked >= length) return undefined;
  return (
    `The ${schedule.kind} schedule of this run stays spread over ${length} epochs: ` +
    `the learning rate has not reached its final value after ${asked}.`
  );
}
