import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { type ArraysOptions, fromArrays } from '../../src/data/fromArrays.ts';

const rows = [
  [0, 1, 2],
  [3, 4, 5],
  [6, 7, 8],
  [9, 10, 11],
];
const image = [
  [0, 1],
  [2, 3],
];

describe('a dataset from arrays', () => {
  it('has masks if there is a class for each pixel', () => {
    const inputs = [image, image, image];
    const targets = [
      [
        [0, 1],
        [-100, 0],
      ],
      [Uint8Array.of(1, 1), Uint8Array.of(0, 0)],
      image.map((row) => row.map(() => 1)),
    ];
    const data = fromArrays({ inputs, targets, classes: 3, testSplit: 1 });
    expect(data.task).toEqual({ kind: 'segmentation', classes: 3, targetShape: [2, 2] });
    expect([data.train.targets.length, data.test.targets.length]).toEqual([8, 4]);
    const all = fromArrays({ inputs, targets, classes: 3 });
    expect([...all.train.targets]).toEqual([0, 1, -100, 0, 1, 1, 0, 0, 1, 1, 1, 1]);
    expect(() => fromArrays({ inputs, targets, classes: 1 })).toThrow(/got "class 1"/);
  });

  it.each<[string, ArraysOptions, object]>([
    ['rows', { inputs: rows, targets: [0, 1, 2, 0] }, { inputShape: [3] }],
    [
      'rows that are typed',
      { inputs: rows.map((row) => Float32Array.from(row)), targets: [0, 1, 2, 0] },
      { inputShape: [3] },
    ],
    [
      'flat inputs',
      { inputs: rows.flat(), targets: new Uint8Array([0, 1, 2, 0]) },
      { inputShape: [3] },
    ],
    [
      'flat inputs of a shape',
      { inputs: new Float64Array(rows.flat()), inputShape: [3, 1], targets: [0, 1, 2, 0] },
      { inputShape: [3, 1] },
    ],
    [
      'one-hot rows',
      {
        inputs: rows,
        targets: [
          [1, 0, 0],
          [0, 1, 0],
          [0, 0, 1],
          [1, 0, 0],
        ],
      },
      { inputShape: [3] },
    ],
    [
      'floats that are classes',
      { inputs: rows, targets: new Float32Array([0, 1, 2, 0]), classes: 3 },
      { inputShape: [3] },
    ],
  ])('knows shape and classes of %s', (_, options, expected) => {
    const { task, train, test, inputType } = fromArrays(options);
    expect(fromArrays(options)).toMatchObject(expected);
    expect(task).toEqual({ kind: 'classification', classes: 3 });
    expect([inputType, [...train.inputs]]).toEqual(['f32', rows.flat()]);
    expect([...train.targets]).toEqual([0, 1, 2, 0]);
    expect([train.count, test.count]).toEqual([4, 0]);
  });

  it('has the statistics of its channels', () => {
    const { mean, std } = fromArrays({ inputs: rows, targets: [0, 1, 0, 1] });
    expect(mean).toEqual([4.5, 5.5, 6.5]);
    for (const one of std) expect(one).toBeCloseTo(Math.sqrt(11.25), 12);
  });

  it('keeps bytes, and adds a channel to images without one', () => {
    const inputs = [image, image].map((rows) => rows.map((row) => Uint8Array.from(row)));
    const { inputType, inputShape, train } = fromArrays({ inputs, targets: [0, 1], classes: 4 });
    expect([inputType, inputShape, [...train.inputs]]).toEqual([
      'u8',
      [2, 2, 1],
      [0, 1, 2, 3, 0, 1, 2, 3],
    ]);
  });

  it('standardizes regression targets', () => {
    const targets = [
      [0.5, 8],
      [1.5, 9],
      [0.5, 8],
      [1.5, 9],
    ];
    const { task, train } = fromArrays({ inputs: rows, targets });
    expect(task).toEqual({ kind: 'regression', targetShape: [2], mean: [1, 8.5], std: [0.5, 0.5] });
    expect([...train.targets]).toEqual([-1, -1, 1, 1, -1, -1, 1, 1]);
    const flat = { inputs: rows, targets: targets.flat() };
    expect(fromArrays(flat).train.targets).toEqual(train.targets);
    const asGiven = fromArrays({ ...flat, standardizeTargets: false });
    expect([...asGiven.train.targets]).toEqual(targets.flat());
    // Whole numbers in an array of floats are numbers.
    const whole = fromArrays({ inputs: rows, targets: new Float32Array([1, 2, 3, 4]) });
    expect(whole.task.kind).toBe('regression');
  });

  it('has the given test samples, of the same kind as the training samples', () => {
    const given = {
      inputs: rows,
      targets: [0.5, 1, 2, 3],
      testInputs: [[1, 1, 1]],
      testTargets: [2],
    };
    const { test, task, mean } = fromArrays(given);
    expect([test.count, [...test.inputs], task.kind]).toEqual([1, [1, 1, 1], 'regression']);
    expect(mean).toEqual([4.5, 5.5, 6.5]);
  });

  it('has test samples drawn by class, and statistics of the others', () => {
    const inputs = Array.from({ length: 40 }, (_, i) => [i]);
    const targets = inputs.map(([i]) => (i! < 10 ? 1 : 0));
    const { train, test, mean } = fromArrays({ inputs, targets, testSplit: 0.2 });
    expect([train.count, test.count]).toEqual([32, 8]);
    expect([...test.targets].reduce((sum, one) => sum + one, 0)).toBe(2);
    const all = [...train.inputs, ...test.inputs].sort((a, b) => a - b);
    expect(all).toEqual(inputs.flat());
    expect(mean[0]).toBeCloseTo([...train.inputs].reduce((sum, one) => sum + one, 0) / 32, 12);
  });

  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  it.each<[string, object, RegExp]>([
    [
      'rows of two lengths',
      { inputs: [[1, 2], [3]], targets: [0, 1] },
      /inputs of fromArrays\[1\]: expected .*2 values.*, got "1 values"/,
    ],
    [
      'what is not a number',
      {
        inputs: [
          [1, 2],
          [3, '4'],
        ],
        targets: [0, 1],
      },
      /inputs of fromArrays\[1\]\[1\].*a number/,
    ],
    ['a nesting without end', { inputs: cyclic, targets: [0] }, /inputs of fromArrays/],
    ['too few targets', { inputs: rows, targets: [0, 1, 0] }, /one for each of 4.*3 targets/],
    [
      'rows of targets for other samples',
      {
        inputs: rows,
        targets: [
          [0, 1],
          [1, 0],
        ],
      },
      /2 targets/,
    ],
    ['no samples', { inputs: [], targets: [] }, /at least one sample/],
    ['NaN', { inputs: [[Number.NaN]], targets: [0] }, /NaN at value 0/],
    ['a class beyond', { inputs: rows, targets: [0, 1, 2, 3], classes: 3 }, /0 to 2.*class 3/],
    [
      'rows that are not classes',
      {
        inputs: rows,
        targets: [
          [0, 1],
          [1, 1],
          [0, 1],
          [1, 0],
        ],
        classes: 2,
      },
      /not one-hot/,
    ],
    ['test inputs alone', { inputs: rows, targets: [0, 1, 0, 1], testInputs: rows }, /testTargets/],
    [
      'two kinds of test samples',
      {
        inputs: rows,
        targets: [0, 1, 0, 1],
        testInputs: rows,
        testTargets: [0, 1, 0, 1],
        testSplit: 1,
      },
      /not both/,
    ],
    [
      'test samples of another shape',
      { inputs: rows, targets: [0, 1, 0, 1], testInputs: [[1]], testTargets: [0] },
      /sample shape of testInputs/,
    ],
    [
      'everything as test samples',
      { inputs: rows, targets: [0, 1, 0, 1], testSplit: 4 },
      /testSplit.*1 to 3 of 4/,
    ],
    ['an unknown option', { inputs: rows, targets: [0, 1, 0, 1], shape: [3] }, /shape/],
  ])('refuses %s', (_, options, message) => {
    const make = (): unknown => fromArrays(options as ArraysOptions);
    expect(make).toThrow(UsageError);
    expect(make).toThrow(message);
  });
});
