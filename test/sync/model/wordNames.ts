// What reports call the control words of the world's group.

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

/** A name such as `arrival of rank 2`; words behind the world's control words have a number. */
export function wordName(word: number, worldSize: number): string {
  if (word >= controlWordCount(worldSize)) return `word ${word}`;
  return namesOf(worldSize).get(word) ?? `control word ${word}`;
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
