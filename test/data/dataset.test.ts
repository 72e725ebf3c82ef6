// The dataset as a whole: its check.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { checkDataset } from '../../src/data/checkDataset.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { smallDataset } from '../support/dataFiles.ts';

const floats = (values: number[]): Partial<Dataset> => ({
  inputShape: [2],
  inputType: 'f32',
  task: { kind: 'regression', targetShape: [2] },
  train: { count: 1, inputs: Float32Array.from(values), targets: Float32Array.of(1, 2) },
  test: { count: 0, inputs: new Float32Array(0), targets: new Float32Array(0) },
});

describe('checkDataset', () => {
  it('returns a valid dataset', () => {
    const bytes = smallDataset();
    expect(checkDataset(bytes)).toBe(bytes);
    const regression = smallDataset(floats([0, 1]));
    expect(checkDataset(regression)).toBe(regression);
  });

  const { train } = smallDataset();
  const cases: [string, Partial<Dataset>, RegExp][] = [
    ['a size of 0', { inputShape: [0, 2, 2] }, /input shape of small/],
    ['an empty shape', { inputShape: [] }, /input shape of small/],
    ['an unknown type', { inputType: 'f64' as 'f32' }, /data, inputType: expected .*, got "f64"/],
    [
      'no classes',
      { task: { kind: 'classification', classes: 0 } },
      /classes of small: expected .*, got 0/,
    ],
    ['too many classes', { task: { kind: 'classification', classes: 1e6 } }, /from 1 to 65536/],
    ['an empty target shape', { task: { kind: 'regression', targetShape: [] } }, /target shape/],
    ['a mean too few', { mean: [0.5] }, /mean of small: expected 2 finite.*, got \[0.5\]/],
    [
      'a std of 0',
      { std: [1, 0] },
      /std of small: expected 2 finite numbers above 0.*, got \[1, 0\]/,
    ],
    ['a std that is no number', { std: [1, Number.NaN] }, /std of small/],
    [
      'no training samples',
      { train: { ...train, count: 0 } },
      /training samples of small: expected .*, got 0/,
    ],
    [
      'too few inputs',
      { train: { ...train, inputs: new Uint8Array(11) } },
      /expected exactly 12.*, got "11 values"/,
    ],
    [
      'inputs of the other type',
      { train: { ...train, inputs: new Float32Array(12) } },
      /Float32Array/,
    ],
    [
      'too few targets',
      { train: { ...train, targets: Int32Array.of(0) } },
      /targets of train of small: expected exactly 3.*, got "1 values"/,
    ],
    [
      'float classes',
      { train: { ...train, targets: Float32Array.of(0, 1, 1) } },
      /expected Int32Array/,
    ],
    [
      'a label too large',
      { train: { ...train, targets: Int32Array.of(0, 2, 1) } },
      /label of sample 1 in train of small: expected a class from 0 to 1.*, got 2/,
    ],
    [
      'a negative label',
      { test: { ...smallDataset().test, targets: Int32Array.of(-1) } },
      /label of sample 0 in test/,
    ],
    [
      'an input that is no number',
      floats([0, Number.NaN]),
      /inputs of train of small: expected .*, got "NaN at value 1"/,
    ],
    [
      'an infinite target',
      {
        ...floats([0, 1]),
        mean: [0, 0],
        train: { count: 1, inputs: Float32Array.of(0, 1), targets: Float32Array.of(1, Infinity) },
      },
      /targets of train of small: expected .*, got "Infinity at value 1"/,
    ],
  ];
  it.each(cases)('refuses %s', (_, changes, message) => {
    const check = (): Dataset => checkDataset(smallDataset(changes));
    expect(check).toThrow(UsageError);
    expect(check).toThrow(message);
  });
});
