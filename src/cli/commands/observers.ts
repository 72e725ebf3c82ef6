// What observes a run whenever the command reports progress: the report, and TensorBoard's event
// file. Each is loaded only on request.

import { cleaningUp } from '../../base/cleanup.ts';
import type { RunState } from '../../report/history.ts';
import type { RunEvent } from '../output/events.ts';
import type { ObserversAsked } from '../settings/reportFlags.ts';
import type { ObservedRun, Observer } from './observed.ts';

/** Starts the observers of a run that is about to train. */
export async function startObservers(
  { report, tensorboard }: ObserversAsked,
  run: ObservedRun,
  tell: (event: RunEvent) => void,
): Promise<Observer> {
  const observers: Observer[] = [];
  const end = (state: RunState): Promise<void> =>
    cleaningUp(async () => {}, ...observers.map((observer) => () => observer.end(state)));
  const start = async (): Promise<void> => {
    if (report !== undefined) {
      const { startReport } = await import('./runReport.ts');
      observers.push(await startReport(report, run, tell));
    }
    if (tensorboard !== undefined) {
      const { startBoard } = await import('./runBoard.ts');
      observers.push(await startBoard(tensorboard, run, tell));
    }
  };
  try {
    await start();
  } catch (error) {
    await cleaningUp(
      () => Promise.reject(error),
      () => end({ kind: 'stopped' }),
    );
  }
  return {
    look(progress, seconds) {
      for (const observer of observers) observer.look(progress, seconds);
    },
    end,
  };
}
