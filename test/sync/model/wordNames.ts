// What reports call words: the control words of the world's group in each process, and all others
// by number.

import {
  ABORT_WORD,
  ARRIVED_WORD,
  arrivalWord,
  controlWordCount,
  FREED_WORD,
  HEAP_NEXT_WORD,
  LAST_LINE,
  MAGIC_WORD,
  rankWord,
  SLEEPERS_WORD,
  SLEEPS_AT,
  STATE,
  STOP_WORD,
  WAKE_WORD,
} from '../../../src/sync/words.ts';

/** The words of the first process's memory are counted from 0, those of each further buffer from so
 * many on. */
export const WORDS_OF_BUFFER = 2 ** 20;

/** A name such as `arrival of rank 2`. Words behind the world's control words have a number, and so
 * have those of mailboxes, which come behind the memories of the processes. */
export function wordName(place: number, worldSize: number, processes: number): string {
  const word = place % WORDS_OF_BUFFER;
  const buffer = Math.floor(place / WORDS_OF_BUFFER);
  if (buffer >= processes) return `word ${word} of mailboxes ${buffer - processes}`;
  const of = processes === 1 ? '' : ` in process ${buffer}`;
  if (word >= controlWordCount(worldSize)) return `word ${word}${of}`;
  return `${namesOf(worldSize).get(word) ?? `control word ${word}`}${of}`;
}

function namesOf(worldSize: number): ReadonlyMap<number, string> {
  const names = new Map([
    [MAGIC_WORD, 'mark'],
    [HEAP_NEXT_WORD, 'heap'],
    [FREED_WORD, 'freed'],
    [ABORT_WORD, 'abort'],
    [WAKE_WORD, 'wake'],
    [ARRIVED_WORD, 'arrived'],
    [SLEEPERS_WORD, 'sleepers'],
    [STOP_WORD, 'stop'],
  ]);
  for (let rank = 0; rank < worldSize; rank++) {
    names.set(rankWord(rank) + STATE, `state of rank ${rank}`);
    names.set(rankWord(rank) + SLEEPS_AT, `sleeps-at of rank ${rank}`);
    names.set(rankWord(rank) + LAST_LINE, `last line of rank ${rank}`);
    names.set(arrivalWord(rank, worldSize), `arrival of rank ${rank}`);
  }
  return names;
}
