import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { countHeldOut } from '../../src/data/heldOut.ts';
import { holdOut } from '../../src/data/subset.ts';

/** Samples that are their own numbers, of classes 0 to 2 in the proportions 7 : 2 : 1. */
const classOf = (digit: number): number => (digit < 7 ? 0 : digit < 9 ? 1 : 2);
const targets = Int32Array.from({ length: 100 }, (_, i) => classOf(i % 10));
const inputs = Float32Array.from({ length: 100 }, (_, i) => i);
const data: Dataset = {
  name: 'numbers',
  inputShape: [1],
  inputType: 'f32',
  task: { kind: 'classification', classes: 3 },
  mean: [0],
  std: [1],
  train: { count: 100, inputs, targets },
  test: { count: 0, inputs: new Float32Array(), targets: new Int32Array() },
};

const countsOf = (classes: ArrayLike<number>): number[] =>
  [0, 1, 2].map((wanted) => Array.from(classes).filter((one) => one === wanted).length);

describe('samples that are held out', () => {
  it('are the share of each class, in their order, and the rest is trained on', () => {
    const { train, heldOut } = holdOut(data, 30, 1);
    expect(countsOf(heldOut.targets)).toEqual([21, 6, 3]);
    expect(countsOf(train.targets)).toEqual([49, 14, 7]);
    expect([...train.inputs, ...heldOut.inputs].sort((a, b) => a - b)).toEqual([...inputs]);
    for (const { inputs: kept, targets: own } of [train, heldOut]) {
      expect([...kept]).toEqual([...kept].sort((a, b) => a - b));
      expect([...own]).toEqual(Array.from(kept, (sample) => targets[sample]));
    }
  });

  it('are as many as requested, for any class sizes', () => {
    for (const count of [1, 7, 33, 99]) {
      const { train, heldOut } = holdOut(data, count, 2);
      expect([heldOut.count, train.count]).toEqual([count, 100 - count]);
      expect(heldOut.inputs).toHaveLength(count);
    }
  });

  it('may have no class, and are then drawn in proportion, too', () => {
    const some = targets.map((one, i) => (i < 20 ? -100 : one));
    const { heldOut } = holdOut({ ...data, train: { ...data.train, targets: some } }, 50, 1);
    expect([...heldOut.targets].filter((one) => one === -100)).toHaveLength(10);
  });

  it('depend only on the seed', () => {
    const drawn = (seed: number) => [...holdOut(data, 10, seed).heldOut.inputs];
    expect(drawn(1)).toEqual(drawn(1));
    expect(drawn(1)).not.toEqual(drawn(2));
  });

  it('are a share below 1, or a count', () => {
    expect([0.1, 0.126, 1, 40].map((asked) => countHeldOut('split', 90, asked))).toEqual([
      9, 11, 1, 40,
    ]);
    for (const asked of [90, 2.5, 0.001, 0.999]) {
      expect(() => countHeldOut('split', 90, asked)).toThrow(UsageError);
    }
  });
});
