// Ctrl-C and similar signals: the first one ends a run cleanly, a later one immediately. npm, npx
// and shells forward a signal that the terminal has already sent to the command, so signals within
// a second count as one. A terminal that goes away (SIGHUP) also asks a run to stop, but never ends
// it immediately.

import { screen, warn } from '../output/screen.ts';
import { errorEvent } from './failure.ts';
import { leave } from './leave.ts';

/** Exit codes of a run that a signal ended: 128 + the signal's number. A supervisor uses SIGUSR1 to
 * forward an interrupt through a launcher, which would kill the processes soon after any other
 * signal. */
export const SIGNAL_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143, SIGUSR1: 130 } as const;
export type Signal = keyof typeof SIGNAL_CODES;
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const satisfies readonly Signal[];

/** The message of a run that a signal has ended. */
export function stoppedBy(signal: Signal): string {
  return `stopped by ${signal}`;
}

/** Copies of one signal arrive within milliseconds; a person takes longer for a second request. */
const ONE_SIGNAL_MS = 1000;

/** What a signal does now: before there is a run, it ends the process. */
let take: (signal: Signal) => void = endBeforeRun;

/** When one of its processes has died or the job is ending, Open MPI continues the processes, and
 * asks them to end a second later. */
const CONTINUED_MS = 2000;
let continuedMs = Number.NEGATIVE_INFINITY;

/** Whether the process was continued a moment ago. */
export function wasContinued(): boolean {
  return performance.now() - continuedMs < CONTINUED_MS;
}

/** Listens from now on until the process ends, so that no signal ends it during a write. */
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

/** The first signal asks the run to stop after its step; one that comes more than a second later
 * ends the process immediately. `isTold` is whether to print a message. */
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
      if (isTold) warn('syncbn: stopping; press Ctrl-C again to end immediately.');
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
        // A supervisor will soon know that the run is over.
        if (isMore(signal) && signal !== 'SIGUSR1') endBy(caught ?? signal);
      };
    },
  };
}

/** For a command that saves nothing before its end: the first signal ends it, with a message. */
export async function endingAtSignals<T>(run: () => Promise<T>): Promise<T> {
  take = (signal) => {
    warn(`syncbn: ended by ${signal}; nothing was saved.`);
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
