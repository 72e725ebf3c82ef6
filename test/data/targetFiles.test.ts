// Targets of several labels, and weights of samples, in npy folders.

import { describe, expect, it } from 'vitest';
import { describeDataset } from '../../src/data/identity.ts';
import { openDataset } from '../../src/data/open.ts';
import { firstTrain, limitTrain } from '../../src/data/subset.ts';
import { folderOf, npyBytes } from '../support/dataFiles.ts';

/** A folder of 4 training and 2 test samples whose targets are these rows. */
const folderWith = (
  rows: readonly (readonly number[])[],
  more: Record<string, Uint8Array> = {},
): Promise<string> => {
  const columns = rows[0]!.length;
  const y = (part: typeof rows): Uint8Array =>
    npyBytes('|u1', [part.length, columns], Uint8Array.from(part.flat()));
  return folderOf({
    'x_train.npy': npyBytes('<f4', [4, 2], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
    'y_train.npy': y(rows.slice(0, 4)),
    'x_test.npy': npyBytes('<f4', [2, 2], Float32Array.of(1, 2, 3, 4)),
    'y_test.npy': y(rows.slice(4)),
    ...more,
  });
};
const MULTI = [
  [0, 1, 1],
  [0, 0, 0],
  [1, 0, 0],
  [1, 1, 1],
  [0, 0, 1],
  [1, 1, 0],
];
const HOT = [0, 2, 1, 0, 2, 1].map((label) => [0, 1, 2].map((c) => (c === label ? 1 : 0)));
const weights = npyBytes('<f8', [4], Float64Array.of(1, 0, 0.5, 2));

describe('whole numbers in columns', () => {
  it('are unchanged targets, never standardized', async () => {
    const data = await openDataset(await folderWith(MULTI));
    expect(data.task).toEqual({ kind: 'regression', targetShape: [3] });
    expect(data.train.targets).toEqual(Float32Array.from(MULTI.slice(0, 4).flat()));
  });

  it('are classes if all rows are one-hot', async () => {
    const data = await openDataset(await folderWith(HOT));
    expect(data.task).toEqual({ kind: 'classification', classes: 3 });
    expect(data.train.targets).toEqual(Int32Array.of(0, 2, 1, 0));
  });
});

describe('weights_train.npy', () => {
  it('gives the training samples weights, which stay with them', async () => {
    const data = await openDataset(await folderWith(MULTI, { 'weights_train.npy': weights }));
    expect(data.train.weights).toEqual(Float32Array.of(1, 0, 0.5, 2));
    expect(data.test.weights).toBeUndefined();
    expect(firstTrain(data, 3).train.weights).toEqual(Float32Array.of(1, 0, 0.5));
    const { inputs, weights: drawn } = limitTrain(data, 3).train;
    const all = [...data.train.weights!];
    expect(Array.from(drawn!)).toEqual([0, 1, 2].map((i) => all[(inputs[2 * i]! - 1) / 2]));
  });

  it('is part of the identity of the data', async () => {
    const bare = describeDataset(await openDataset(await folderWith(MULTI)));
    const data = await openDataset(await folderWith(MULTI, { 'weights_train.npy': weights }));
    const described = describeDataset(data);
    expect(described.weighted).toEqual(['train']);
    expect(described.contentHash).not.toBe(bare.contentHash);
    const other = { ...data, train: { ...data.train, weights: Float32Array.of(1, 0, 0.5, 3) } };
    expect(describeDataset(other).contentHash).not.toBe(described.contentHash);
  });

  it.each([
    [
      npyBytes('<f4', [3], new Float32Array(3)),
      /shape of .*weights_train\.npy: expected .*\[4\].*, got \[3\]/,
    ],
    [npyBytes('<f4', [4], Float32Array.of(1, -1, 1, 1)), /weights of train of .*-1 at sample 1/],
    [npyBytes('<f4', [4], Float32Array.of(1, Number.NaN, 1, 1)), /NaN at sample 1/],
  ])('is refused if it does not fit', async (bytes, message) => {
    const folder = await folderWith(MULTI, { 'weights_train.npy': bytes });
    await expect(openDataset(folder)).rejects.toThrow(message);
  });
});
