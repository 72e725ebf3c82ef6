// Watches from the main thread whether workers get on. A worker says so in passing, in a word that
// it writes where it notes its position anyway; nothing is posted. One that waits for others is not
// stuck: its wait has a timeout of its own.

import { everySlice } from '../base/patience.ts';
import { type ControlWords, rankWord, readPulse, STATE, State } from '../sync/words.ts';

export interface WatchOptions {
  readonly words: ControlWords;
  readonly workers: number;
  /** The rank of a worker in the control words. */
  readonly rankOf: (worker: number) => number;
  /** How long a worker may take from one sign of progress to the next. */
  readonly timeoutMs: number;
  /** Whether something is asked of this worker. */
  readonly isBusy: (worker: number) => boolean;
  readonly onStall: (worker: number) => void;
}

/** Looks at the workers until the function that it returns is called. */
export function watchProgress(options: WatchOptions): () => void {
  const { words, workers, rankOf, timeoutMs, isBusy, onStall } = options;
  const pulseOf = (worker: number): number => readPulse(words, rankOf(worker));
  const pulses = Int32Array.from({ length: workers }, (_, worker) => pulseOf(worker));
  const stalledMs = new Float64Array(workers);
  return everySlice(timeoutMs, (countedMs) => {
    for (let worker = 0; worker < workers; worker++) {
      const pulse = pulseOf(worker);
      const state = Atomics.load(words, rankWord(rankOf(worker)) + STATE);
      const isStalled = isBusy(worker) && state !== State.waiting && pulse === pulses[worker];
      pulses[worker] = pulse;
      stalledMs[worker] = isStalled ? stalledMs[worker]! + countedMs : 0;
      if (stalledMs[worker]! >= timeoutMs) onStall(worker);
    }
  });
}
