// Which samples of a split in chunks are taken where there is a limit.

import { expect, it } from 'vitest';
import { limitChunks } from '../../src/data/chunked/limitChunks.ts';

it.each([
  { count: 70, chunkSamples: 16, limit: 5, from: 3 },
  { count: 70, chunkSamples: 16, limit: 64, from: 4 },
  { count: 70, chunkSamples: 16, limit: 67, from: 5 },
  { count: 7, chunkSamples: 16, limit: 3, from: 1 },
  { count: 3000, chunkSamples: 10, limit: 256, from: 128 },
  { count: 3000, chunkSamples: 10, limit: 2000, from: 200 },
])('draws samples all over it, $limit of $count', ({ count, chunkSamples, limit, from }) => {
  const limited = limitChunks({ count, chunkSamples }, limit);
  expect(limited.count).toBe(limit);
  expect(limited.chunks).toHaveLength(Math.ceil(limit / limited.chunkSamples));
  expect(new Set(limited.chunks).size).toBe(from);
  const samples = [...limited.chunks].flatMap((chunk, index) => {
    const rows = [...limited.rowsOf(index)];
    const isLast = index === limited.chunks.length - 1;
    if (!isLast) expect(rows).toHaveLength(limited.chunkSamples);
    expect(rows.every((row) => row < chunkSamples)).toBe(true);
    return rows.map((row) => chunk * chunkSamples + row);
  });
  expect(samples).toHaveLength(limit);
  expect(samples).toEqual([...new Set(samples)].sort((a, b) => a - b));
  expect(samples.at(-1)).toBeLessThan(count);
  expect(limitChunks({ count, chunkSamples }, limit).chunks).toEqual(limited.chunks);
});
