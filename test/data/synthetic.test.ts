// Synthetic data: that its statistics are what its formula says.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { type SyntheticOptions, synthetic } from '../../src/data/named/synthetic.ts';

/** Mean and biased standard deviation of the values that `keep` lets through. */
function measure(
  values: ArrayLike<number>,
  keep: (index: number) => boolean,
): { mean: number; std: number; n: number } {
  let n = 0;
  let mean = 0;
  let m2 = 0;
  for (let i = 0; i < values.length; i++) {
    if (!keep(i)) continue;
    n++;
    const delta = values[i]! - mean;
    mean += delta / n;
    m2 += delta * (values[i]! - mean);
  }
  return { mean, std: Math.sqrt(m2 / n), n };
}

describe('synthetic', () => {
  it.each([
    { shape: [4, 4, 2], mean: [3, -1], std: [2, 0.5], separation: 0.5, classes: 10 },
    { shape: [2], mean: [1000, 0], std: [0.1, 7], separation: 0.9, classes: 2 },
    { shape: [3, 2], mean: [0, 0], std: [1, 1], separation: 0, classes: 5 },
  ])('has the requested population mean and std: $shape, separation $separation', (options) => {
    const data = synthetic({ ...options, train: 5000, test: 10, seed: 3 });
    expect(data.mean).toEqual(options.mean);
    expect(data.std).toEqual(options.std);
    const { mean, std, separation, classes } = options;
    for (let c = 0; c < 2; c++) {
      const found = measure(data.train.inputs, (i) => i % 2 === c);
      // Classes are exactly balanced, so only the normal numbers scatter: five standard errors.
      const tolerance = 5 / Math.sqrt(found.n);
      expect(Math.abs(found.mean - mean[c]!) / std[c]!).toBeLessThan(tolerance);
      expect(Math.abs(found.std / std[c]! - 1)).toBeLessThan(tolerance);
      const size = data.train.inputs.length / data.train.count;
      const top = measure(
        data.train.inputs,
        (i) => i % 2 === c && Math.floor(i / size) % classes === classes - 1,
      );
      const t = (classes - 1) / Math.sqrt((classes * classes - 1) / 3);
      const classTolerance = 5 / Math.sqrt(top.n);
      expect(Math.abs((top.mean - mean[c]!) / std[c]! - separation * t)).toBeLessThan(
        classTolerance,
      );
      expect(Math.abs(top.std / std[c]! - Math.sqrt(1 - separation ** 2))).toBeLessThan(
        classTolerance,
      );
    }
  });

  it('is exact without scatter: with separation 1 a sample is its class', () => {
    const data = synthetic({
      train: 8,
      test: 0,
      shape: [2],
      classes: 4,
      mean: 10,
      std: [2, 4],
      separation: 1,
    });
    const levels = [-3, -1, 1, 3].map((level) => level / Math.sqrt(5));
    const expected = [0, 1, 2, 3, 0, 1, 2, 3].flatMap((k) => [
      10 + 2 * levels[k]!,
      10 + 4 * levels[k]!,
    ]);
    expect(data.train.inputs).toEqual(Float32Array.from(expected));
    const even = measure(data.train.inputs, (i) => i % 2 === 0);
    expect(even.mean).toBeCloseTo(10, 6);
    expect(even.std).toBeCloseTo(2, 6);
  });

  it('gives class i mod K to sample i', () => {
    const { train, task } = synthetic({ train: 7, test: 1, classes: 3, shape: [1] });
    expect([...train.targets]).toEqual([0, 1, 2, 0, 1, 2, 0]);
    expect(task).toEqual({ kind: 'classification', classes: 3 });
  });

  it('gives each seed and split different samples, for any counts', () => {
    const make = (options: SyntheticOptions): ReturnType<typeof synthetic> =>
      synthetic({ shape: [3], ...options });
    const one = make({ train: 20, test: 20 });
    const more = make({ train: 50, test: 1 });
    expect(more.train.inputs.subarray(0, 60)).toEqual(one.train.inputs);
    expect(make({ train: 20, test: 20 })).toEqual(one);
    expect(make({ train: 20, test: 20, seed: 2 }).train.inputs).not.toEqual(one.train.inputs);
    expect(one.test.inputs).not.toEqual(one.train.inputs);
  });

  it('is 2000 + 500 standardized samples of 12 x 12 x 3 in 10 classes by default', () => {
    const data = synthetic();
    expect(data).toMatchObject({
      inputShape: [12, 12, 3],
      inputType: 'f32',
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
    expect([data.train.count, data.test.count]).toEqual([2000, 500]);
    expect(data.task).toEqual({ kind: 'classification', classes: 10 });
  });

  const wrong: SyntheticOptions[] = [
    ...[
      { train: 0 },
      { test: -1 },
      { classes: 1 },
      { separation: 1.5 },
      { separation: Number.NaN },
    ],
    ...[
      { shape: [] },
      { shape: [2, 0] },
      { mean: [1, 2] },
      { mean: Number.NaN },
      { std: 0 },
      { std: [1, -1, 1] },
    ],
    ...[{ seed: -1 }, { seed: 0.5 }],
  ];
  it.each(wrong)('refuses %j', (options) => {
    expect(() => synthetic(options)).toThrow(UsageError);
  });
});
