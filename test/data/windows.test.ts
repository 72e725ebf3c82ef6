// The order of an epoch by windows of chunks.

import { expect, it } from 'vitest';
import { chunkOrder, countChunks, windowedOrder } from '../../src/data/chunked/windows.ts';

const COUNT = 103;
const window = { chunkSamples: 10, chunks: 3 };
const request = { seed: 3, epoch: 1, shuffle: true };

const ordered = (changes: Partial<typeof request> = {}): number[] => {
  const order = new Int32Array(COUNT);
  windowedOrder(order, { ...request, ...changes }, window);
  return [...order];
};

it('uses each sample once, those of a window in its positions', () => {
  const order = ordered();
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, i) => i));
  const whole = { ...request, countSamples: COUNT, chunkSamples: window.chunkSamples };
  const chunks = [...chunkOrder(whole)];
  expect(chunks).toHaveLength(countChunks(COUNT, 10));
  // The one that is not full comes last.
  expect(chunks.at(-1)).toBe(10);
  expect(chunks.slice(0, 10)).not.toEqual([...chunks.slice(0, 10)].sort((a, b) => a - b));
  for (let first = 0; first < COUNT; first += 30) {
    const found = new Set(order.slice(first, first + 30).map((sample) => Math.floor(sample / 10)));
    expect(found).toEqual(new Set(chunks.slice(first / 10, first / 10 + 3)));
    expect(order.slice(first, first + 10)).not.toEqual(order.slice(first, first + 10).toSorted());
  }
});

it('depends on seed and epoch', () => {
  expect(ordered()).toEqual(ordered());
  expect(ordered({ epoch: 2 })).not.toEqual(ordered());
  expect(ordered({ seed: 4 })).not.toEqual(ordered());
  expect(ordered({ shuffle: false })).toEqual(Array.from({ length: COUNT }, (_, i) => i));
});

it('takes chunks as they come where they cannot be had otherwise', () => {
  const order = new Int32Array(COUNT);
  windowedOrder(order, request, { ...window, inOrder: true });
  for (let first = 0; first < COUNT; first += 30) {
    const found = [...order.slice(first, first + 30)];
    expect(found).not.toEqual(found.toSorted((a, b) => a - b));
    expect(found.toSorted((a, b) => a - b)).toEqual(found.map((_, i) => first + i));
  }
});
