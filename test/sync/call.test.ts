// Prepared calls: their text, their signature, their size.

import { describe, expect, it } from 'vitest';
import { prepareCall } from '../../src/sync/call.ts';
import { CALL_TEXT_BYTES, LINE_WORDS, NO_LENGTH, showCall } from '../../src/sync/words.ts';

describe('a prepared call', () => {
  it('shows kind, operation, type, label and length', () => {
    const call = prepareCall({
      kind: 'allReduce',
      label: 'loss',
      op: 'sum',
      type: 'float32',
      length: 7,
    });
    expect(showCall(call.text, call.length, 3)).toBe(
      'allReduce(sum, float32) "loss" of length 7, call 3',
    );
    const bare = prepareCall({ kind: 'barrier' });
    expect(bare.length).toBe(NO_LENGTH);
    expect(showCall(bare.text, bare.length, 1)).toBe('barrier, call 1');
  });

  it('has the same signature only for the same text', () => {
    const labels = Array.from({ length: 2000 }, (_, i) => `${i}.batchNorm`);
    const signatures = labels.map((label) => prepareCall({ kind: 'moments', label }).signature);
    expect(new Set(signatures).size).toBe(labels.length);
    expect(labels.map((label) => prepareCall({ kind: 'moments', label }).signature)).toEqual(
      signatures,
    );
  });

  it('fits its line for any length of the label, and differs even after the cut', () => {
    const label = 'ä'.repeat(500);
    const call = prepareCall({ kind: 'barrier', label });
    expect(call.textWords.length).toBeLessThanOrEqual(LINE_WORDS);
    expect(call.textWords[0]).toBe(CALL_TEXT_BYTES);
    const other = prepareCall({ kind: 'barrier', label: `${label}2` });
    expect(other.signature).not.toBe(call.signature);
  });
});
