// How long a run is: its schedule is spread over that many epochs, however many calls of fit it
// takes and however often it is resumed.

import { UsageError } from '../base/errors.ts';
import { spansRun } from '../optim/learningRate.ts';
import type { ScheduleSpec } from '../optim/schedule.ts';

/** The epochs of a run that was `known` epochs long (0 when that is still open) and is asked for
 * `asked` in all. A schedule that spans the run keeps its length; with others a run may grow. */
export function runLength(schedule: ScheduleSpec, known: number, asked: number): number {
  if (asked <= known || known === 0) return Math.max(asked, known);
  if (!spansRun(schedule)) return asked;
  throw new UsageError({
    what: 'epochs',
    given: asked,
    allowed: `at most ${known}, over which the ${schedule.kind} schedule of this run is spread`,
    hint:
      `Trainer.start({ epochs: ${asked} }) for a run that several calls of fit train, ` +
      'or a new run of that many epochs',
  });
}

/** Returns what says, once, that a call ends before a schedule does whose length an earlier call
 * has fixed; nothing where the caller has said how long the run is. */
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
    `The ${schedule.kind} schedule of this run is spread over ${length} epochs and stays so: ` +
    `after ${asked} of them the learning rate has not come to its end.`
  );
}
