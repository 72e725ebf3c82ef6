// Aborting a run: which abort wins, what is recorded, what a dying writer leaves.

import { describe, expect, it } from 'vitest';
import { abortFromMain, abortRun, isAborted, MAIN_RANK, readAbort } from '../../src/sync/abort.ts';
import { prepareCall } from '../../src/sync/call.ts';
import { attachMember } from '../../src/sync/group.ts';
import {
  ABORT_TEXT_BYTES,
  ABORT_WORD,
  controlWordCount,
  initControlWords,
  rankWord,
  STATE,
  State,
} from '../../src/sync/words.ts';

function makeWords(worldSize: number) {
  const words = new Int32Array(new SharedArrayBuffer(controlWordCount(worldSize) * 4));
  initControlWords(words, worldSize);
  return words;
}

describe('an abort', () => {
  it('does not exist before it happens', () => {
    const words = makeWords(2);
    expect(isAborted(words)).toBe(false);
    expect(readAbort(words)).toBeUndefined();
  });

  it('records the rank, place and reason, and the first one wins', () => {
    const words = makeWords(2);
    attachMember(words, 1).setPosition(7, 3);
    expect(abortRun(words, 1, 'nein, größer als 1 µm')).toBe(true);
    expect(abortFromMain(words, MAIN_RANK, 'another reason')).toBe(false);
    expect(readAbort(words)).toEqual({
      rank: 1,
      reason: 'nein, größer als 1 µm',
      step: 7,
      layerId: 3,
    });
  });

  it('from the main thread marks the rank that died', () => {
    const words = makeWords(3);
    abortFromMain(words, 2, 'gone');
    expect(words[rankWord(2) + STATE]).toBe(State.dead);
    expect(readAbort(words)).toEqual({ rank: 2, reason: 'gone' });
  });

  it('cuts a long reason between two characters and overwrites nothing after it', () => {
    const words = makeWords(1);
    const before = words.slice(10 * 32);
    abortRun(words, 0, `x${'ä'.repeat(ABORT_TEXT_BYTES)}`);
    expect(readAbort(words)!.reason).toBe(`x${'ä'.repeat(ABORT_TEXT_BYTES / 2 - 1)}`);
    const after = words.slice(10 * 32);
    after[0] = before[0]!; // The wake word has to change.
    expect(after).toEqual(before);
  });

  it('with a writer that died halfway is also an abort', () => {
    const words = makeWords(2);
    Atomics.store(words, ABORT_WORD, 1);
    expect(readAbort(words)).toEqual({ rank: MAIN_RANK, reason: 'a dying thread' });
    const barrier = prepareCall({ kind: 'barrier' });
    expect(() => attachMember(words, 0).sync(barrier)).toThrow('aborted the run: a dying thread');
  });
});
