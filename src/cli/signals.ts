// Ctrl-C and its kin: the first ends a run in good order, the second at once.

/** Exit codes of a run that a signal ended: 128 + the signal's number. */
export const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
export type Signal = keyof typeof SIGNAL_CODES;

/** The first signal asks the run to stop behind its step, the second ends the process at once. */
export function catchSignals(
  stop: () => void,
  quit: () => void,
): {
  readonly caught: Signal | undefined;
  release(): void;
} {
  const state: { caught: Signal | undefined } = { caught: undefined };
  const listener = (signal: NodeJS.Signals): void => {
    if (state.caught !== undefined) {
      quit();
      process.exit(SIGNAL_CODES[state.caught]);
    }
    state.caught = signal as Signal;
    stop();
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return {
    get caught() {
      return state.caught;
    },
    release() {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    },
  };
}
