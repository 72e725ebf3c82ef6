// Floats in npy files whose units a run cannot take as they are: standardized targets, one-hot
// rows, and columns that float32 cannot hold.

import { describe, expect, it } from 'vitest';
import { readNpyDataset } from '../../src/data/npy/npyFolder.ts';
import { folderOf, npyBytes } from '../support/dataFiles.ts';

describe('readNpyDataset', () => {
  const floats = (columns: number, train: number[], test: number[]) => ({
    'x_train.npy': npyBytes(
      '<f4',
      [train.length / columns, 1],
      new Float32Array(train.length / columns),
    ),
    'x_test.npy': npyBytes(
      '<f4',
      [test.length / columns, 1],
      new Float32Array(test.length / columns),
    ),
    'y_train.npy': npyBytes('<f8', [train.length / columns, columns], Float64Array.from(train)),
    'y_test.npy': npyBytes('<f4', [test.length / columns, columns], Float32Array.from(test)),
  });

  it('standardizes targets in float64, in the units of the training split', async () => {
    const dir = await folderOf(floats(2, [1e9 + 1, 3, 1e9 + 3, 7], [1e9, 5]));
    const data = await readNpyDataset(dir);
    expect(data.task).toEqual({
      kind: 'regression',
      targetShape: [2],
      mean: [1e9 + 2, 5],
      std: [1, 2],
    });
    expect([...data.train.targets]).toEqual([-1, -1, 1, 1]);
    expect([...data.test.targets]).toEqual([-2, 0]);
    const kept = await readNpyDataset(dir, { standardizeTargets: false });
    expect(kept.task).toEqual({ kind: 'regression', targetShape: [2] });
    expect(kept.train.targets[1]).toBe(3);
  });

  it('treats one-hot rows as classes, and says so', async () => {
    const dir = await folderOf(floats(3, [0, 0, 1, 1, 0, 0], [0, 1, 0]));
    const data = await readNpyDataset(dir);
    expect(data.task).toEqual({ kind: 'classification', classes: 3 });
    expect(data.train.targets).toEqual(Int32Array.of(2, 0));
    expect(data.test.targets).toEqual(Int32Array.of(1));
    expect(data.notices).toEqual([expect.stringMatching(/^Each target is one-hot.*3 classes/)]);
  });

  it.each([
    [[1, 1, 0, 1], 'two ones'],
    [[0, 0, 0, 1], 'no one'],
    [[0.5, 0.5, 0, 1], 'shares'],
  ])('treats rows as regression if one is %j (%s)', async (train) => {
    const data = await readNpyDataset(await folderOf(floats(2, train, [0, 1])));
    expect(data.task.kind).toBe('regression');
  });

  it('keeps the digits of a float64 column that float32 cannot hold, and says so', async () => {
    const column = Float64Array.from({ length: 64 }, (_, i) => 1.7e9 + i);
    const rows = [...column].flatMap((value) => [value, value - 1.7e9, 7e7]);
    const data = await readNpyDataset(
      await folderOf({
        'x_train.npy': npyBytes('<f8', [64, 3], Float64Array.from(rows)),
        'y_train.npy': npyBytes('<i4', [64], new Int32Array(64)),
        'x_test.npy': npyBytes('<f8', [1, 3], Float64Array.of(1.7e9, 1, 7e7)),
        'y_test.npy': npyBytes('<i4', [1], new Int32Array(1)),
      }),
    );
    expect(data.shift).toEqual([1.7e9 + 31.5, 0, 0]);
    expect(data.mean).toEqual([0, 31.5, 7e7]);
    expect(data.std[0]).toBeCloseTo(Math.sqrt((64 * 64 - 1) / 12), 12);
    expect(data.std[2]).toBe(1);
    const stored = Array.from({ length: 64 }, (_, i) => data.train.inputs[3 * i]);
    expect(stored).toEqual(Array.from({ length: 64 }, (_, i) => i - 31.5));
    expect(data.test.inputs[0]).toBe(-31.5);
    expect(data.notices).toEqual([
      expect.stringMatching(/shifted .*: 0 \(by 1700000031.5\)\..*Fl/),
    ]);
  });
});
