// Loss kernels against their twins, closed forms and finite differences.

import { beforeEach, describe, expect, it } from 'vitest';
import {
  binaryCrossEntropyRef,
  huberRef,
  type LossRefOutput,
  softmaxCrossEntropyRef,
} from '../../src/kernels/reference/loss.ts';
import {
  BUILDS,
  createFixture,
  type KernelFixture,
  testValues,
  ulps32,
} from '../support/kernelFixture.ts';

const CLASSES = [1, 2, 3, 10, 17];
const SMOOTHINGS = [0, 0.1, 1];
const GRID = CLASSES.flatMap((classes) =>
  SMOOTHINGS.map((labelSmoothing) => ({ classes, labelSmoothing })),
);

describe.each(BUILDS)('loss kernels, %s build', (build) => {
  const fixture: KernelFixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  interface CrossEntropyOptions {
    readonly classes: number;
    readonly labelSmoothing?: number;
    readonly globalCount?: number;
    readonly wantGradient?: boolean;
    readonly weights?: Float64Array;
    readonly classWeights?: Float64Array;
    readonly positions?: number;
    readonly ignoredLabel?: number;
  }

  const placed = (values?: Float64Array): number =>
    values === undefined ? 0 : fixture.place(values);

  /** Targets are labels, or shares of the classes. */
  function crossEntropy(
    logits: Float32Array,
    targets: Int32Array | Float32Array,
    options: CrossEntropyOptions,
  ) {
    const { classes, labelSmoothing = 0, globalCount = 1, wantGradient = true } = options;
    const { positions = 1, ignoredLabel = -100 } = options;
    const n = logits.length / classes / positions;
    const hasLabels = targets instanceof Int32Array;
    const dlogitsPtr = fixture.reserve(logits.length);
    const lossPtr = fixture.reserve(n, 8);
    const correctPtr = fixture.reserve(n);
    kernels.softmaxCrossEntropyF32(
      fixture.place(logits),
      hasLabels ? fixture.place(targets) : 0,
      hasLabels ? 0 : fixture.place(targets),
      wantGradient ? dlogitsPtr : 0,
      lossPtr,
      correctPtr,
      placed(options.weights),
      placed(options.classWeights),
      n,
      positions,
      classes,
      ignoredLabel,
      labelSmoothing,
      globalCount,
    );
    return {
      loss: fixture.f64(lossPtr, n),
      correct: fixture.i32(correctPtr, n),
      dlogits: fixture.f32(dlogitsPtr, logits.length),
    };
  }

  const room = (n: number, size: number): LossRefOutput => ({
    loss: new Float64Array(n),
    correct: new Int32Array(n),
    gradient: new Float32Array(n * size),
  });

  it.each(GRID)('softmaxCrossEntropy equals its twin, %o', ({ classes, labelSmoothing }) => {
    const n = 7;
    const logits = testValues(n * classes, 8);
    const labels = Int32Array.from({ length: n }, (_, i) => (i * 5) % classes);
    const options = { classes, labelSmoothing, globalCount: 96 };
    const found = crossEntropy(logits, labels, options);
    const expected = room(n, classes);
    softmaxCrossEntropyRef(expected, logits, labels, { size: classes, ...options });
    expect(found.correct).toEqual(expected.correct);
    for (const [i, loss] of found.loss.entries()) {
      expect(loss).toBeCloseTo(expected.loss[i]!, 13);
    }
    found.dlogits.forEach((d, i) => {
      // softmax - target loses digits where both are near 1: the scale is theirs.
      expect(ulps32(d, expected.gradient[i]!, 1 / options.globalCount)).toBeLessThanOrEqual(1);
    });
  });

  it('softmaxCrossEntropy of equal logits is log(classes), and flags only the first class', () => {
    const labels = Int32Array.of(0, 1, 9);
    const found = crossEntropy(new Float32Array(30).fill(3), labels, { classes: 10 });
    for (const loss of found.loss) expect(loss).toBeCloseTo(Math.LN10, 14);
    expect(Array.from(found.correct)).toEqual([1, 0, 0]);
    expect(found.dlogits[0]).toBe(Math.fround(0.1 - 1));
    expect(found.dlogits[1]).toBe(Math.fround(0.1));
  });

  it('softmaxCrossEntropy stays finite for logits of +-1e4, and takes -infinity', () => {
    const logits = Float32Array.of(1e4, -1e4, 0, -Infinity);
    const found = crossEntropy(logits, Int32Array.of(1, 0), { classes: 2 });
    expect(Array.from(found.loss)).toEqual([2e4, 0]);
    expect(Array.from(found.dlogits)).toEqual([1, -1, 0, 0]);
  });

  it('softmaxCrossEntropy without a gradient writes only losses and flags', () => {
    const logits = testValues(40);
    const labels = Int32Array.of(1, 2, 3, 4);
    const full = crossEntropy(logits, labels, { classes: 10 });
    const bare = crossEntropy(logits, labels, { classes: 10, wantGradient: false });
    expect(bare.loss).toEqual(full.loss);
    expect(bare.correct).toEqual(full.correct);
    expect(bare.dlogits).toEqual(new Float32Array(40).fill(NaN));
  });

  it.each(SMOOTHINGS)('dlogits equal finite differences, smoothing %d', (labelSmoothing) => {
    const [classes, positions] = [5, 3];
    const labels = Int32Array.of(2, 0, 4);
    const logits = testValues(classes * positions).map((v) => Math.round(v * 64) / 64);
    const options = { classes, positions, labelSmoothing, ignoredLabel: 0 };
    const { dlogits } = crossEntropy(logits, labels, options);
    const h = 1 / 512;
    logits.forEach((value, c) => {
      const near = (shift: number) =>
        crossEntropy(logits.with(c, value + shift), labels, options).loss[0]!;
      expect(dlogits[c]).toBeCloseTo((near(h) - near(-h)) / (2 * h), 6);
    });
  });

  it('a sample has the same bits at any position in the batch', () => {
    const row = testValues(10);
    const logits = new Float32Array(50);
    for (let n = 0; n < 5; n++) logits.set(row, n * 10);
    const { loss, dlogits } = crossEntropy(logits, new Int32Array(5).fill(4), { classes: 10 });
    expect(new Set(loss).size).toBe(1);
    for (let n = 1; n < 5; n++) {
      expect(dlogits.slice(n * 10, n * 10 + 10)).toEqual(dlogits.slice(0, 10));
    }
  });

  it.each(SMOOTHINGS)(
    'softmaxCrossEntropy with weights and shares of classes equals its twin, smoothing %d',
    (labelSmoothing) => {
      const [n, classes] = [4, 5];
      const logits = testValues(n * classes, 8);
      const shares = Float32Array.from({ length: n * classes }, (_, i) => ((i * 7) % 5) / 10);
      const weights = Float64Array.of(0.5, 0, 3, 1);
      const classWeights = Float64Array.of(1, 0, 2.5, 0.1, 1);
      const options = { classes, labelSmoothing, globalCount: 6, weights, classWeights };
      for (const targets of [shares, Int32Array.of(3, -100, 2, 1)]) {
        const found = crossEntropy(logits, targets, options);
        const expected = room(n, classes);
        softmaxCrossEntropyRef(expected, logits, targets, { size: classes, ...options });
        expect(found.correct).toEqual(expected.correct);
        found.loss.forEach((loss, i) => {
          expect(loss).toBeCloseTo(expected.loss[i]!, 13);
        });
        found.dlogits.forEach((d, i) => {
          expect(ulps32(d, expected.gradient[i]!, 1)).toBeLessThanOrEqual(1);
        });
        // What is left out may be anything.
        const other = crossEntropy(logits.fill(Number.NaN, classes, 2 * classes), targets, options);
        expect(other).toEqual(found);
      }
    },
  );

  it.each(SMOOTHINGS)('softmaxCrossEntropy of positions equals its twin, smoothing %d', (share) => {
    const [n, positions, classes] = [3, 7, 4];
    const logits = testValues(n * positions * classes, 8);
    const labels = Int32Array.from({ length: n * positions }, (_, i) => (i * 3) % classes);
    labels.fill(-100, 2 * positions);
    const shares = Float32Array.from(logits, (_, i) => ((i * 7) % 5) / 10);
    const weights = Float64Array.of(0.5, 3, 1);
    const classWeights = Float64Array.of(1, 0, 2.5, 0.1);
    for (const [targets, ignoredLabel] of [
      [labels, -100],
      [labels.map((label) => Math.abs(label) % 4), 2],
      [shares, -100],
    ] as const) {
      for (const more of [{}, { weights, classWeights }]) {
        const common = { positions, labelSmoothing: share, ignoredLabel, globalCount: 6, ...more };
        const found = crossEntropy(logits, targets, { classes, ...common });
        const expected = room(n, positions * classes);
        softmaxCrossEntropyRef(expected, logits, targets, { size: classes, ...common });
        expect(found.correct).toEqual(expected.correct);
        found.loss.forEach((loss, i) => {
          expect(loss).toBeCloseTo(expected.loss[i]!, 13);
        });
        found.dlogits.forEach((d, i) => {
          expect(ulps32(d, expected.gradient[i]!, 1 / 6)).toBeLessThanOrEqual(1);
        });
      }
    }
  });

  it('softmaxCrossEntropy of one-hot shares has the bits of labels', () => {
    const logits = testValues(15, 8);
    const shares = Float32Array.from({ length: 15 }, (_, i) => (i % 6 === 0 ? 1 : 0));
    const labelled = crossEntropy(logits, Int32Array.of(0, 1, 2), { classes: 5 });
    const shared = crossEntropy(logits, shares, { classes: 5 });
    expect(shared.dlogits).toEqual(labelled.dlogits);
    expect(shared.correct).toEqual(labelled.correct);
  });

  interface NumberLossOptions {
    readonly size: number;
    readonly globalCount: number;
    readonly weights?: Float64Array;
    readonly positiveWeights?: Float64Array;
    readonly curvature?: number;
    readonly delta?: number;
    readonly slope?: number;
  }

  /** Binary cross entropy, or Huber's loss where it has a delta. */
  function numberLoss(outputs: Float32Array, targets: Float32Array, options: NumberLossOptions) {
    const { size, globalCount, curvature, delta, slope } = options;
    const n = outputs.length / size;
    const dPtr = fixture.reserve(n * size + 1);
    const lossPtr = fixture.reserve(n, 8);
    const correctPtr = fixture.reserve(n);
    const weightsPtr = placed(options.weights);
    const from = [fixture.place(outputs), fixture.place(targets)] as const;
    const run = (gradPtr: number): void => {
      const into = [gradPtr, lossPtr] as const;
      if (delta === undefined) {
        const positivePtr = placed(options.positiveWeights);
        const extra = [correctPtr, weightsPtr, positivePtr] as const;
        kernels.binaryCrossEntropyF32(...from, ...into, ...extra, n, size, globalCount);
      } else {
        const shape = [curvature!, delta, slope!] as const;
        kernels.huberF32(...from, ...into, weightsPtr, n, size, globalCount, ...shape);
      }
    };
    run(0);
    const bare = fixture.f64(lossPtr, n);
    run(dPtr);
    expect(fixture.f64(lossPtr, n)).toEqual(bare);
    expect(fixture.f32(dPtr, n * size + 1)[n * size]).toBeNaN();
    return {
      loss: fixture.f64(lossPtr, n),
      correct: fixture.i32(correctPtr, n),
      gradient: fixture.f32(dPtr, n * size),
    };
  }

  const SHAPES = [
    { curvature: 2, delta: Number.POSITIVE_INFINITY, slope: 0 },
    { curvature: 0, delta: 0, slope: 1 },
    { curvature: 1, delta: 0.75, slope: 0.75 },
  ];

  it.each([1, 3, 4, 5, 1001])('huber and binaryCrossEntropy equal their twins, size %d', (size) => {
    const n = 3;
    const outputs = testValues(n * size);
    const targets = testValues(n * size, 4, 5);
    const shares = targets.map((value) => Math.min(1, Math.abs(value) / 2));
    const positiveWeights = Float64Array.from({ length: size }, (_, i) => (i % 3) + 0.5);
    for (const weights of [undefined, Float64Array.of(2, 0, 1)]) {
      const common = { size, globalCount: 96, ...(weights && { weights }) };
      for (const shape of SHAPES) {
        const found = numberLoss(outputs, targets, { ...common, ...shape });
        const expected = room(n, size);
        huberRef(expected, outputs, targets, { ...common, ...shape });
        expectNear(found, expected);
      }
      for (const positive of [undefined, positiveWeights]) {
        const options = { ...common, ...(positive && { positiveWeights: positive }) };
        const found = numberLoss(outputs, shares, options);
        const expected = room(n, size);
        binaryCrossEntropyRef(expected, outputs, shares, options);
        expectNear(found, expected);
        expect(found.correct).toEqual(expected.correct);
      }
    }
  });

  function expectNear(
    found: Pick<LossRefOutput, 'loss' | 'gradient'>,
    expected: LossRefOutput,
  ): void {
    found.loss.forEach((loss, i) => {
      expect(loss).toBeCloseTo(expected.loss[i]!, 12);
    });
    found.gradient.forEach((d, i) => {
      expect(ulps32(d, expected.gradient[i]!, 1 / 96)).toBeLessThanOrEqual(1);
    });
  }

  it('a squared difference d everywhere is d^2, and its gradient 2 d / size', () => {
    const outputs = Float32Array.of(1, 2, 3, 4);
    const targets = Float32Array.of(0.5, 1.5, 2.5, 3.5);
    const found = numberLoss(outputs, targets, { size: 4, globalCount: 1, ...SHAPES[0]! });
    expect(found.loss[0]).toBe(0.25);
    expect(Array.from(found.gradient)).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  it('binaryCrossEntropy stays finite for logits of +-1e4, and takes infinite ones', () => {
    const logits = Float32Array.of(1e4, -1e4, 1e4, Infinity, -Infinity, 0);
    const targets = Float32Array.of(1, 0, 0, 1, 0, 0.5);
    const { loss, gradient, correct } = numberLoss(logits, targets, { size: 1, globalCount: 1 });
    expect(Array.from(loss)).toEqual([0, 0, 1e4, 0, 0, Math.LN2]);
    expect(Array.from(gradient)).toEqual([0, 0, 1, 0, 0, 0]);
    expect(Array.from(correct)).toEqual([1, 1, 0, 1, 1, 1]);
  });

  it.each(SHAPES)('gradients of %o equal finite differences', (shape) => {
    const targets = Float32Array.of(0.25, 1, -1, 0.5);
    const outputs = Float32Array.of(0.5, -1, 2, 1);
    const options = { size: 4, globalCount: 1 };
    for (const given of [options, { ...options, ...shape }]) {
      const { gradient } = numberLoss(outputs, targets, given);
      const h = 1 / 512;
      outputs.forEach((value, i) => {
        const near = (by: number) =>
          numberLoss(outputs.with(i, value + by), targets, given).loss[0]!;
        expect(gradient[i]).toBeCloseTo((near(h) - near(-h)) / (2 * h), 5);
      });
    }
  });
});
