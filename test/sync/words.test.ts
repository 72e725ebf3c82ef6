// The layout of the control words, and what main reads and writes in them.

import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src/base/errors.ts';
import { prepareCall } from '../../src/sync/call.ts';
import { attachMember } from '../../src/sync/group.ts';
import {
  ABORT_TEXT_BYTES,
  ABORT_TEXT_WORD,
  ABORT_WORD,
  ARRIVED_WORD,
  arrivalWord,
  CALL_TEXT,
  CALL_WORDS,
  clearStop,
  controlWordCount,
  initControlWords,
  LENGTH,
  LINE_WORDS,
  MAGIC_WORD,
  NUMBER,
  PROGRESS_WORD,
  progressWords,
  rankWord,
  readPosition,
  readText,
  requestStop,
  SLEEPERS_WORD,
  STEP,
  STOP_WORD,
  valueWord,
  WAKE_WORD,
} from '../../src/sync/words.ts';

const makeWords = (worldSize: number) =>
  new Int32Array(new SharedArrayBuffer(controlWordCount(worldSize) * 4));

describe('the control words', () => {
  it('give every writer its own lines', () => {
    const starts = [MAGIC_WORD, ABORT_WORD, ABORT_TEXT_WORD, WAKE_WORD, ARRIVED_WORD];
    starts.push(SLEEPERS_WORD, STOP_WORD, PROGRESS_WORD, rankWord(0), rankWord(1), rankWord(2));
    expect(starts.every((word) => word % LINE_WORDS === 0)).toBe(true);
    expect(new Set(starts).size).toBe(starts.length);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(WAKE_WORD - ABORT_TEXT_WORD).toBe(ABORT_TEXT_BYTES / 4);
  });

  it('keep the compared words of a rank within one line, and each text within one', () => {
    expect(LENGTH + CALL_WORDS).toBeLessThan(LINE_WORDS);
    expect(NUMBER).toBeLessThan(2 * LINE_WORDS);
    expect([STEP, CALL_TEXT]).toEqual([LINE_WORDS, 2 * LINE_WORDS]);
    expect(rankWord(1) - rankWord(0)).toBe(CALL_TEXT + 2 * LINE_WORDS);
  });

  it('pack the arrivals of two ranks into one cache line, and give more ranks one each', () => {
    const CACHE_LINE_WORDS = 16;
    expect(arrivalWord(0, 2) % LINE_WORDS).toBe(0);
    expect(valueWord(1, 2, 1) + 2 - arrivalWord(0, 2)).toBeLessThanOrEqual(CACHE_LINE_WORDS);
    for (const rank of [0, 1]) {
      for (const parity of [0, 1]) expect(valueWord(rank, 2, parity) % 2).toBe(0);
    }
    expect([0, 1, 2].map((rank) => arrivalWord(rank, 3))).toEqual(
      [0, 1, 2].map((rank) => rankWord(3) + rank * LINE_WORDS),
    );
    expect([1, 2, 5].map(controlWordCount)).toEqual(
      [rankWord(1), rankWord(2), rankWord(5)].map((word, i) => word + [1, 1, 5][i]! * LINE_WORDS),
    );
  });

  it('must be initialized, and large enough, before members attach', () => {
    expect(() => attachMember(makeWords(2), 0)).toThrow(InvariantError);
    expect(() => initControlWords(makeWords(2), 3)).toThrow(InvariantError);
  });

  it('may begin anywhere in a larger buffer', () => {
    const buffer = new SharedArrayBuffer(4096 + controlWordCount(1) * 4);
    const words = new Int32Array(buffer, 4096);
    initControlWords(words, 1);
    const member = attachMember(words, 0);
    member.setPosition(0, 0);
    member.sync(prepareCall({ kind: 'barrier', label: 'here' }));
    expect(new Int32Array(buffer, 0, 1024).every((word) => word === 0)).toBe(true);
    const text = rankWord(0) + CALL_TEXT + LINE_WORDS;
    expect(readText(words, text + 1, words[text]!)).toBe('barrier "here"');
  });

  it('report where a rank is, without step and layer before the first', () => {
    const words = makeWords(2);
    initControlWords(words, 2);
    const member = attachMember(words, 1);
    expect(readPosition(words, 1)).toEqual({});
    member.setPosition(0, -1);
    expect(readPosition(words, 1)).toEqual({ step: 0 });
    member.setPosition(12, 0);
    expect(readPosition(words, 1)).toEqual({ step: 12, layerId: 0 });
    expect(readPosition(words, 0)).toEqual({});
  });

  it('carry the stop request and the progress', () => {
    const words = makeWords(1);
    initControlWords(words, 1);
    progressWords(words)[3] = 99;
    expect(words[PROGRESS_WORD + 3]).toBe(99);
    requestStop(words);
    expect(words[STOP_WORD]).toBe(1);
    clearStop(words);
    expect(words[STOP_WORD]).toBe(0);
  });
});
