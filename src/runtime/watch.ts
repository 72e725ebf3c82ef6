// Watches from the main thread whether workers get on. A worker says so in passing, in a word that
// it writes where it notes its position anyway; nothing is posted. One that waits for others is not
// stuck: its wait has a timeout of its own.

import { everySlice } from '../base/patience.ts';
import { type ControlWords, rankWord, readPulse, STATE, State } from '../sync/words.ts';

export interface WatchOptions {
  readonly words: ControlWords;
  readonly worldSize: number;
  /** How long a worker may take from one sign of progress to the next. */
  readonly timeoutMs: number;
  /** Whether something is asked of this rank. */
  readonly isBusy: (rank: number) => boolean;
  readonly onStall: (rank: number) => void;
}

/** Looks at the workers until the function that it returns is called. */
export function watchProgress(options: WatchOptions): () => void {
  const { words, worldSize, timeoutMs, isBusy, onStall } = options;
  const pulses = new Int32Array(worldSize);
  const stalledMs = new Float64Array(worldSize);
  for (let rank = 0; rank < worldSize; rank++) pulses[rank] = readPulse(words, rank);
  return everySlice(timeoutMs, (countedMs) => {
    for (let rank = 0; rank < worldSize; rank++) {
      const pulse = readPulse(words, rank);
      const isWaiting = Atomics.load(words, rankWord(rank) + STATE) === State.waiting;
      const isStalled = isBusy(rank) && !isWaiting && pulse === pulses[rank];
      pulses[rank] = pulse;
      stalledMs[rank] = isStalled ? stalledMs[rank]! + countedMs : 0;
      if (stalledMs[rank]! >= timeoutMs) onStall(rank);
    }
  });
}
