// Fewer training samples: the first, or a draw over all.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { checkDataset } from '../../src/data/checkDataset.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { firstTrain, limitTrain } from '../../src/data/subset.ts';
import { smallDataset } from '../support/dataFiles.ts';

/** Samples [i, 1000 + i] sorted by class, with two targets or a class each. */
function sorted(count: number, kind: 'classification' | 'regression'): Dataset {
  const pairs = Array.from({ length: count }, (_, i) => [i, 1000 + i]).flat();
  const isClass = kind === 'classification';
  const labels = Int32Array.from({ length: count }, (_, i) => Math.floor((10 * i) / count));
  return smallDataset({
    inputShape: [2],
    inputType: 'f32',
    task: isClass ? { kind, classes: 10 } : { kind, targetShape: [2] },
    train: {
      count,
      inputs: Float32Array.from(pairs),
      targets: isClass ? labels : Float32Array.from(pairs),
    },
    test: {
      count: 0,
      inputs: new Float32Array(0),
      targets: isClass ? new Int32Array(0) : new Float32Array(0),
    },
  });
}

describe('limitTrain', () => {
  it('draws all classes of sorted data equally, the same samples each time, in order', () => {
    const whole = sorted(1000, 'classification');
    const { train, ...rest } = limitTrain(whole, 100);
    const counts = new Array<number>(10).fill(0);
    for (const label of train.targets) counts[label]!++;
    // Hypergeometric: mean 10, standard deviation 2.85.
    for (const count of counts) expect(Math.abs(count - 10)).toBeLessThan(9);
    const firsts = Array.from({ length: 100 }, (_, i) => train.inputs[2 * i]!);
    expect(new Set(firsts).size).toBe(100);
    expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
    expect(limitTrain(whole, 100)).toEqual({ ...rest, train });
    expect(checkDataset({ ...rest, train })).toBeTruthy();
  });

  it('draws each sample with equal probability', () => {
    const drawn = new Array<number>(40).fill(0);
    for (let count = 1; count <= 40; count++) {
      const { inputs } = limitTrain(sorted(40, 'regression'), count).train;
      for (let i = 0; i < count; i++) drawn[inputs[2 * i]!]!++;
    }
    // Each is in count / 40 of the draws: 20.5 on average, sums of dependent draws.
    expect(drawn.reduce((a, b) => a + b)).toBe(820);
    for (const count of drawn) expect(count).toBeGreaterThan(0);
  });

  it('keeps whole samples and targets, the statistics and the test split', () => {
    const whole = sorted(9, 'regression');
    const less = limitTrain(whole, 5);
    expect(less.train.targets).toEqual(less.train.inputs);
    for (let i = 0; i < 5; i++) {
      expect(less.train.inputs[2 * i + 1]).toBe(1000 + less.train.inputs[2 * i]!);
    }
    expect(less.test).toBe(whole.test);
    expect(less.mean).toBe(whole.mean);
    expect(limitTrain(whole, 9)).toBe(whole);
  });
});

describe('firstTrain', () => {
  it('keeps the first samples, their targets, the statistics and the test split', () => {
    const whole = smallDataset();
    const less = firstTrain(whole, 2);
    expect([...less.train.inputs]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...less.train.targets]).toEqual([0, 1]);
    expect(less.train.inputs.buffer).toBe(whole.train.inputs.buffer);
    expect(less.test).toBe(whole.test);
    expect(checkDataset(less)).toBe(less);
    expect([...firstTrain(sorted(2, 'regression'), 1).train.targets]).toEqual([0, 1000]);
  });
});

describe.each([
  ['limitTrain', limitTrain],
  ['firstTrain', firstTrain],
])('%s', (_, limit) => {
  it.each([0, -1, 1.5, 4, Number.NaN])('refuses %d of 3 samples', (count) => {
    expect(() => limit(smallDataset(), count)).toThrow(UsageError);
  });
});
