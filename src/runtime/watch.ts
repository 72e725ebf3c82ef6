// Watches from the main thread whether workers make progress. Each worker shows it in a word that
// it writes whenever it notes its position; nothing is posted. A worker that waits for others is
// not stuck, since its wait has its own timeout.

import { everySlice } from '../base/patience.ts';
import { type ControlWords, rankWord, readPulse, STATE, State } from '../sync/words.ts';

export interface WatchOptions {
  readonly words: ControlWords;
  readonly workers: number;
  /** The rank of a worker in the control words. */
  readonly rankOf: (worker: number) => number;
  /** The longest time between two signs of progress. */
  readonly timeoutMs: number;
  /** Whether this worker has an open call. */
  readonly isBusy: (worker: number) => boolean;
  readonly onStall: (worker: number) => void;
}

/** Watches the workers until the returned function is called. */
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
