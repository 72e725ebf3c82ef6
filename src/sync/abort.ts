// Aborting a run: the first abort wins, writes its rank, place and reason into the control words,
// and wakes every member. Waiting members check the abort word in every iteration. All words here
// belong to the world: groups that were split off abort with it.

import {
  ABORT_BYTES_WORD,
  ABORT_LAYER_WORD,
  ABORT_RANK_WORD,
  ABORT_STEP_WORD,
  ABORT_TEXT_BYTES,
  ABORT_TEXT_WORD,
  ABORT_WORD,
  type ControlWords,
  rankWord,
  readPosition,
  readText,
  readWorldSize,
  SLEEPS_AT,
  STATE,
  State,
  WAKE_WORD,
} from './words.ts';

/** The rank of aborts that do not come from a member. */
export const MAIN_RANK = -1;

const NOT_ABORTED = 0;
/** The record is being written. */
const CLAIMED = 1;
/** The record is complete. */
const PUBLISHED = 2;
/** How long a reader waits for a record that is being written: far longer than writing 1 KB takes,
 * unless the writer died in the process. */
const PUBLISH_TIMEOUT_MS = 100;
/** The maximum time that counts between two looks, since the process may have been suspended. */
const LOOK_MS = 1;

/** The record of an abort. */
export interface Abort {
  /** The rank that aborted the run; {@link MAIN_RANK} if it was not a member. */
  readonly rank: number;
  readonly reason: string;
  readonly step?: number;
  readonly layerId?: number;
}

/** Aborts the run. Returns whether this was the first abort; later ones have no effect. */
export function abortRun(words: ControlWords, rank: number, reason: string): boolean {
  if (Atomics.compareExchange(words, ABORT_WORD, NOT_ABORTED, CLAIMED) !== NOT_ABORTED)
    return false;
  const position = rank === MAIN_RANK ? {} : readPosition(words, rank);
  const text = new TextEncoder().encode(reason.slice(0, ABORT_TEXT_BYTES));
  const textOffsetBytes = words.byteOffset + ABORT_TEXT_WORD * 4;
  const shown = text.subarray(0, ABORT_TEXT_BYTES);
  new Uint8Array(words.buffer, textOffsetBytes, ABORT_TEXT_BYTES).set(shown);
  words[ABORT_RANK_WORD] = rank + 2;
  words[ABORT_STEP_WORD] = (position.step ?? -1) + 1;
  words[ABORT_LAYER_WORD] = (position.layerId ?? -1) + 1;
  words[ABORT_BYTES_WORD] = shown.length;
  Atomics.store(words, ABORT_WORD, PUBLISHED);
  wakeAll(words);
  return true;
}

/** Aborts the run from the main thread, because the thread of `rank` has died or, with
 * {@link MAIN_RANK}, for a reason of the main thread. */
export function abortFromMain(words: ControlWords, rank: number, reason: string): boolean {
  if (rank !== MAIN_RANK) Atomics.store(words, rankWord(rank) + STATE, State.dead);
  const first = abortRun(words, rank, reason);
  // A member that died between claiming and publishing has not woken the others.
  wakeAll(words);
  return first;
}

/** Whether the run was aborted. */
export function isAborted(words: ControlWords): boolean {
  return Atomics.load(words, ABORT_WORD) !== NOT_ABORTED;
}

/** The record of the abort, or undefined if there is none. */
export function readAbort(words: ControlWords): Abort | undefined {
  if (!isAborted(words)) return undefined;
  let waitedMs = 0;
  let lookedMs = performance.now();
  while (Atomics.load(words, ABORT_WORD) === CLAIMED) {
    const nowMs = performance.now();
    waitedMs += Math.min(nowMs - lookedMs, LOOK_MS);
    lookedMs = nowMs;
    if (waitedMs > PUBLISH_TIMEOUT_MS) return { rank: MAIN_RANK, reason: 'a dying thread' };
  }
  const step = words[ABORT_STEP_WORD]! - 1;
  const layerId = words[ABORT_LAYER_WORD]! - 1;
  return {
    rank: words[ABORT_RANK_WORD]! - 2,
    reason: readText(words, ABORT_TEXT_WORD, words[ABORT_BYTES_WORD]!),
    ...(step >= 0 && { step }),
    ...(layerId >= 0 && { layerId }),
  };
}

/** Makes every thread of the world look again, regardless of the group in which it sleeps. A member
 * announces where it will sleep before its last look at the abort word, so none is missed. */
export function wakeAll(words: ControlWords): void {
  wakeGroup(words, WAKE_WORD);
  for (let rank = 0; rank < readWorldSize(words); rank++) {
    const wakeWord = Atomics.load(words, rankWord(rank) + SLEEPS_AT);
    if (wakeWord !== 0 && wakeWord !== WAKE_WORD) wakeGroup(words, wakeWord);
  }
}

/** Makes members that sleep at one wake word look again. */
export function wakeGroup(words: ControlWords, wakeWord: number): void {
  Atomics.add(words, wakeWord, 1);
  Atomics.notify(words, wakeWord);
}
