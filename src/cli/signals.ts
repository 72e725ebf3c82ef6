// Ctrl-C and its kin: the first ends a run in good order, a later one at once. npm, npx and shells
// pass a signal on that the terminal sent to the command already, so signals within a second are
// one. A terminal that goes away (SIGHUP) asks to stop as well, and never ends anything at once.

import { errorEvent } from './failure.ts';
import { screen, warn } from './screen.ts';

/** Exit codes of a run that a signal ended: 128 + the signal's number. */
export const SIGNAL_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
export type Signal = keyof typeof SIGNAL_CODES;
const SIGNALS = Object.keys(SIGNAL_CODES) as readonly Signal[];

/** Copies of one signal come within milliseconds; a second request takes a person longer. */
const ONE_SIGNAL_MS = 1000;

export interface CaughtSignals {
  readonly caught: Signal | undefined;
  release(): void;
}

/** The first signal asks the run to stop after its step, one that comes more than a second later
 * ends the process at once. */
export function catchSignals(stop: () => void, quit: () => void): CaughtSignals {
  const state: { caught: Signal | undefined; caughtMs: number } = {
    caught: undefined,
    caughtMs: 0,
  };
  const release = listen((signal) => {
    const nowMs = performance.now();
    if (state.caught === undefined) {
      state.caught = signal;
      state.caughtMs = nowMs;
      stop();
      warn('syncbn: stopping; Ctrl-C again to end at once.');
      return;
    }
    if (signal === 'SIGHUP' || nowMs - state.caughtMs < ONE_SIGNAL_MS) return;
    try {
      quit();
    } catch (error) {
      warn(`syncbn: ${errorEvent(error).message}`);
    }
    endBy(state.caught);
  });
  return {
    get caught() {
      return state.caught;
    },
    release,
  };
}

/** For a command that keeps nothing until its end: the first signal ends it, and says so. */
export async function endingAtSignals<T>(run: () => Promise<T>): Promise<T> {
  const release = listen((signal) => {
    warn(`syncbn: ended by ${signal}; nothing is kept.`);
    endBy(signal);
  });
  try {
    return await run();
  } finally {
    release();
  }
}

function endBy(signal: Signal): never {
  screen.end();
  process.exit(SIGNAL_CODES[signal]);
}

function listen(take: (signal: Signal) => void): () => void {
  for (const signal of SIGNALS) process.on(signal, take as NodeJS.SignalsListener);
  return () => {
    for (const signal of SIGNALS) process.off(signal, take as NodeJS.SignalsListener);
  };
}
