// Loss kernels against their twins, closed forms and finite differences.

import { beforeEach, describe, expect, it } from 'vitest';
import { meanSquaredErrorRef, softmaxCrossEntropyRef } from '../../src/kernels/reference/loss.ts';
import {
  createFixture,
  type KernelFixture,
  MODES,
  testValues,
  ulps32,
} from '../support/kernelFixture.ts';

const CLASSES = [1, 2, 3, 10, 17];
const SMOOTHINGS = [0, 0.1, 1];
const GRID = CLASSES.flatMap((classes) =>
  SMOOTHINGS.map((labelSmoothing) => ({ classes, labelSmoothing })),
);

describe.each(MODES)('loss kernels, %s build', (mode) => {
  const fixture: KernelFixture = createFixture(mode, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  interface CrossEntropyOptions {
    readonly classes: number;
    readonly labelSmoothing?: number;
    readonly globalCount?: number;
    readonly wantGradient?: boolean;
  }

  function crossEntropy(logits: Float32Array, labels: Int32Array, options: CrossEntropyOptions) {
    const { classes, labelSmoothing = 0, globalCount = 1, wantGradient = true } = options;
    const n = labels.length;
    const dlogitsPtr = fixture.reserve(n * classes);
    const lossPtr = fixture.reserve(n, 8);
    const correctPtr = fixture.reserve(n);
    kernels.softmaxCrossEntropyF32(
      fixture.place(logits),
      fixture.place(labels),
      wantGradient ? dlogitsPtr : 0,
      lossPtr,
      correctPtr,
      n,
      classes,
      labelSmoothing,
      globalCount,
    );
    return {
      loss: fixture.f64(lossPtr, n),
      correct: fixture.i32(correctPtr, n),
      dlogits: fixture.f32(dlogitsPtr, n * classes),
    };
  }

  it.each(GRID)('softmaxCrossEntropy equals its twin, %o', ({ classes, labelSmoothing }) => {
    const n = 7;
    const logits = testValues(n * classes, 8);
    const labels = Int32Array.from({ length: n }, (_, i) => (i * 5) % classes);
    const options = { classes, labelSmoothing, globalCount: 96 };
    const found = crossEntropy(logits, labels, options);
    const expected = {
      loss: new Float64Array(n),
      correct: new Int32Array(n),
      dlogits: new Float32Array(n * classes),
    };
    softmaxCrossEntropyRef(expected, logits, labels, options);
    expect(found.correct).toEqual(expected.correct);
    for (const [i, loss] of found.loss.entries()) {
      expect(loss).toBeCloseTo(expected.loss[i]!, 13);
    }
    found.dlogits.forEach((d, i) => {
      // softmax - target loses digits where both are near 1: the scale is theirs.
      expect(ulps32(d, expected.dlogits[i]!, 1 / options.globalCount)).toBeLessThanOrEqual(1);
    });
  });

  it('softmaxCrossEntropy of equal logits is log(classes), and flags the first class only', () => {
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

  it('softmaxCrossEntropy without a gradient writes losses and flags only', () => {
    const logits = testValues(40);
    const labels = Int32Array.of(1, 2, 3, 4);
    const full = crossEntropy(logits, labels, { classes: 10 });
    const bare = crossEntropy(logits, labels, { classes: 10, wantGradient: false });
    expect(bare.loss).toEqual(full.loss);
    expect(bare.correct).toEqual(full.correct);
    expect(bare.dlogits).toEqual(new Float32Array(40).fill(NaN));
  });

  it.each(SMOOTHINGS)('dlogits equal finite differences, smoothing %d', (labelSmoothing) => {
    const classes = 5;
    const labels = Int32Array.of(2);
    const logits = testValues(classes).map((v) => Math.round(v * 64) / 64);
    const options = { classes, labelSmoothing };
    const { dlogits } = crossEntropy(logits, labels, options);
    const h = 1 / 512;
    logits.forEach((value, c) => {
      const near = (shift: number) =>
        crossEntropy(logits.with(c, value + shift), labels, options).loss[0]!;
      expect(dlogits[c]).toBeCloseTo((near(h) - near(-h)) / (2 * h), 6);
    });
  });

  it('a sample has the same bits wherever it stands in the batch', () => {
    const row = testValues(10);
    const logits = new Float32Array(50);
    for (let n = 0; n < 5; n++) logits.set(row, n * 10);
    const { loss, dlogits } = crossEntropy(logits, new Int32Array(5).fill(4), { classes: 10 });
    expect(new Set(loss).size).toBe(1);
    for (let n = 1; n < 5; n++) {
      expect(dlogits.slice(n * 10, n * 10 + 10)).toEqual(dlogits.slice(0, 10));
    }
  });

  it.each([1, 3, 4, 5, 1001])('meanSquaredError equals its twin, size %d', (size) => {
    const n = 3;
    const prediction = testValues(n * size);
    const target = testValues(n * size, 4, 5);
    const options = { size, globalCount: 96 };
    const expected = { loss: new Float64Array(n), dprediction: new Float32Array(n * size) };
    meanSquaredErrorRef(expected, prediction, target, options);
    const lossPtr = fixture.reserve(n, 8);
    const dPtr = fixture.reserve(n * size);
    const predictionPtr = fixture.place(prediction);
    const targetPtr = fixture.place(target);
    kernels.meanSquaredErrorF32(predictionPtr, targetPtr, dPtr, lossPtr, n, size, 96);
    expect(fixture.f64(lossPtr, n)).toEqual(expected.loss);
    expect(fixture.f32(dPtr, n * size)).toEqual(expected.dprediction);
    expect(fixture.f32(dPtr, n * size + 1)[n * size]).toBeNaN();
    kernels.meanSquaredErrorF32(predictionPtr, targetPtr, 0, lossPtr, n, size, 96);
    expect(fixture.f64(lossPtr, n)).toEqual(expected.loss);
  });

  it('meanSquaredError of a difference d everywhere is d^2, and its gradient 2 d / size', () => {
    const lossPtr = fixture.reserve(1, 8);
    const dPtr = fixture.reserve(4);
    const predictionPtr = fixture.place(Float32Array.of(1, 2, 3, 4));
    const targetPtr = fixture.place(Float32Array.of(0.5, 1.5, 2.5, 3.5));
    kernels.meanSquaredErrorF32(predictionPtr, targetPtr, dPtr, lossPtr, 1, 4, 1);
    expect(fixture.f64(lossPtr, 1)[0]).toBe(0.25);
    expect(Array.from(fixture.f32(dPtr, 4))).toEqual([0.25, 0.25, 0.25, 0.25]);
  });
});
