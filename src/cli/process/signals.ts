// Ctrl-C and its kin: the first ends a run in good order, a later one at once. npm, npx and shells
// pass a signal on that the terminal sent to the command already, so signals within a second are
// one. A terminal that goes away (SIGHUP) asks a run to stop as well, and never ends it at once.

import { screen, warn } from '../output/screen.ts';
import { errorEvent } from './failure.ts';
import { leave } from './leave.ts';

/** Exit codes of a run that a signal ended: 128 + the signal's number; SIGUSR1 is how a supervisor
 * passes an interrupt on through a launcher, which would kill soon after any other. */
export const SIGNAL_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143, SIGUSR1: 130 } as const;
export type Signal = keyof typeof SIGNAL_CODES;
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const satisfies readonly Signal[];

/** What a run says that a signal has ended. */
export function stoppedBy(signal: Signal): string {
  return `stopped by ${signal}`;
}

/** Copies of one signal come within milliseconds; a second request takes a person longer. */
const ONE_SIGNAL_MS = 1000;

/** What a signal does now: before there is a run, it ends the process. */
let take: (signal: Signal) => void = endBeforeRun;

/** Open MPI continues its processes, then asks them to end a second later, when one of them has
 * died or the job is to end. */
const CONTINUED_MS = 2000;
let continuedMs = Number.NEGATIVE_INFINITY;

/** Whether the process was continued a moment ago. */
export function wasContinued(): boolean {
  return performance.now() - continuedMs < CONTINUED_MS;
}

/** Listens from now on until the process ends, so that no signal ends it in the midst of a
 * write. */
export function listenToSignals(more: readonly Signal[] = []): void {
  process.on('SIGCONT', () => {
    continuedMs = performance.now();
  });
  for (const signal of [...SIGNALS, ...more])
    process.on(signal, (caught) => take(caught as Signal));
}

export interface CaughtSignals {
  readonly caught: Signal | undefined;
  /** The run is over, and the process is about to end by itself. */
  release(): void;
}

/** The first signal asks the run to stop after its step, one that comes more than a second later
 * ends the process at once. `isTold` is whether that is said. */
export function catchSignals(stop: () => void, quit: () => void, isTold = true): CaughtSignals {
  let caught: Signal | undefined;
  let caughtMs = 0;
  const isMore = (signal: Signal): boolean =>
    signal !== 'SIGHUP' && !(caught !== undefined && performance.now() - caughtMs < ONE_SIGNAL_MS);
  take = (signal) => {
    if (caught === undefined) {
      caught = signal;
      caughtMs = performance.now();
      stop();
      if (isTold) warn('syncbn: stopping; Ctrl-C again to end at once.');
      return;
    }
    if (!isMore(signal)) return;
    try {
      quit();
    } catch (error) {
      warn(`syncbn: ${errorEvent(error).message}`);
    }
    endBy(caught);
  };
  return {
    get caught() {
      return caught;
    },
    release() {
      take = (signal) => {
        // A supervisor learns in a moment that the run is over.
        if (isMore(signal) && signal !== 'SIGUSR1') endBy(caught ?? signal);
      };
    },
  };
}

/** For a command that keeps nothing until its end: the first signal ends it, and says so. */
export async function endingAtSignals<T>(run: () => Promise<T>): Promise<T> {
  take = (signal) => {
    warn(`syncbn: ended by ${signal}; nothing is kept.`);
    endBy(signal);
  };
  try {
    return await run();
  } finally {
    take = endBeforeRun;
  }
}

function endBeforeRun(signal: Signal): never {
  if (signal === 'SIGUSR1') warn(`syncbn: ${stoppedBy(signal)} before the first step.`);
  endBy(signal);
}

function endBy(signal: Signal): never {
  screen.end();
  leave(SIGNAL_CODES[signal]);
}
