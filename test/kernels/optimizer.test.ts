// Optimizer kernels against their twins. PyTorch's formulas are in test/optim/optimizer.test.ts.

import { beforeEach, describe, expect, it } from 'vitest';
import * as ref from '../../src/kernels/reference/optimizer.ts';
import { BUILDS, createFixture, type KernelFixture, testValues } from '../support/kernelFixture.ts';

const LENGTHS = [0, 1, 3, 4, 5, 7, 64, 1001];
const STEPS = 3;

const SGD: readonly ref.SgdRefOptions[] = [
  { lr: 0.1, momentum: 0, nesterov: false, weightDecay: 0, gradScale: 1 },
  { lr: 0.1, momentum: 0.9, nesterov: false, weightDecay: 5e-4, gradScale: 0.3 },
  { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4, gradScale: 1 },
];

const ADAM = [
  { weightDecay: 0, decoupled: false, gradScale: 1 },
  { weightDecay: 0.01, decoupled: false, gradScale: 0.3 },
  { weightDecay: 0.01, decoupled: true, gradScale: 1 },
].map((options) => ({ lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, ...options }));

const RMSPROP = [
  { momentum: 0, centered: false, weightDecay: 0, gradScale: 1 },
  { momentum: 0.9, centered: false, weightDecay: 5e-4, gradScale: 0.3 },
  { momentum: 0.5, centered: true, weightDecay: 0, gradScale: 1 },
].map((options) => ({ lr: 1e-2, alpha: 0.99, eps: 1e-8, ...options }));

describe.each(BUILDS)('optimizer kernels, %s build', (build) => {
  const fixture: KernelFixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  function ratesPtr(...rates: number[]): number {
    return fixture.place(Float64Array.from(rates));
  }

  function sumSquares(ptr: number, n: number): number {
    const sumPtr = fixture.reserve(1, 8);
    kernels.sumSquaresF32(ptr, n, sumPtr);
    return fixture.f64(sumPtr, 1)[0]!;
  }

  describe.each(SGD)('sgd %o', (options) => {
    it.each(LENGTHS)('equals its twin for %d elements, and writes no more', (n) => {
      const param = testValues(n);
      const buffer = options.momentum === 0 ? undefined : new Float32Array(n);
      const paramPtr = fixture.place(param);
      const bufferPtr = buffer === undefined ? 0 : fixture.place(buffer);
      for (let step = 0; step < STEPS; step++) {
        const grad = testValues(n, 1, step + 2);
        ref.sgdStepRef(param, grad, buffer, options);
        const { lr, momentum, nesterov, weightDecay, gradScale } = options;
        kernels.sgdStepF32(
          paramPtr,
          fixture.place(grad),
          bufferPtr,
          n,
          ratesPtr(lr, gradScale),
          momentum,
          Number(nesterov),
          weightDecay,
        );
      }
      expect(fixture.f32(paramPtr, n)).toEqual(param);
      expect(fixture.f32(paramPtr, n + 1)[n]).toBeNaN();
      if (buffer !== undefined) expect(fixture.f32(bufferPtr, n)).toEqual(buffer);
    });
  });

  describe.each(RMSPROP)('rmsprop %o', ({ centered, ...options }) => {
    it.each(LENGTHS)('equals its twin for %d elements, and writes no more', (n) => {
      const { alpha, eps, momentum, weightDecay, lr, gradScale } = options;
      const param = testValues(n);
      const state = {
        square: new Float32Array(n),
        mean: centered ? new Float32Array(n) : undefined,
        buffer: momentum === 0 ? undefined : new Float32Array(n),
      };
      const paramPtr = fixture.place(param);
      const squarePtr = fixture.place(state.square);
      const meanPtr = state.mean === undefined ? 0 : fixture.place(state.mean);
      const bufferPtr = state.buffer === undefined ? 0 : fixture.place(state.buffer);
      for (let step = 0; step < STEPS; step++) {
        const grad = testValues(n, 1, step + 2);
        ref.rmspropStepRef(param, grad, state, options);
        const rates = ratesPtr(lr, gradScale);
        const gradPtr = fixture.place(grad);
        kernels.rmspropStepF32(
          ...([paramPtr, gradPtr, squarePtr, meanPtr, bufferPtr, n, rates] as const),
          ...([alpha, eps, momentum, weightDecay] as const),
        );
      }
      expect(fixture.f32(paramPtr, n)).toEqual(param);
      expect(fixture.f32(squarePtr, n)).toEqual(state.square);
      if (state.mean !== undefined) expect(fixture.f32(meanPtr, n)).toEqual(state.mean);
      if (state.buffer !== undefined) expect(fixture.f32(bufferPtr, n)).toEqual(state.buffer);
      for (const ptr of [paramPtr, squarePtr]) expect(fixture.f32(ptr, n + 1)[n]).toBeNaN();
    });
  });

  describe.each(ADAM)('adam %o', (options) => {
    it.each(LENGTHS)('equals its twin for %d elements, and writes no more', (n) => {
      const param = testValues(n);
      const state = { mean: new Float32Array(n), square: new Float32Array(n) };
      const paramPtr = fixture.place(param);
      const meanPtr = fixture.place(state.mean);
      const squarePtr = fixture.place(state.square);
      for (let t = 1; t <= STEPS; t++) {
        const grad = testValues(n, 1, t + 1);
        const biasCorrection1 = 1 - options.beta1 ** t;
        const biasCorrection2 = 1 - options.beta2 ** t;
        ref.adamStepRef(param, grad, state, { ...options, biasCorrection1, biasCorrection2 });
        kernels.adamStepF32(
          paramPtr,
          fixture.place(grad),
          meanPtr,
          squarePtr,
          n,
          ratesPtr(options.lr, options.gradScale, biasCorrection1, biasCorrection2),
          options.beta1,
          options.beta2,
          options.eps,
          options.weightDecay,
          Number(options.decoupled),
        );
      }
      expect(fixture.f32(paramPtr, n)).toEqual(param);
      expect(fixture.f32(paramPtr, n + 1)[n]).toBeNaN();
      expect(fixture.f32(meanPtr, n)).toEqual(state.mean);
      expect(fixture.f32(squarePtr, n)).toEqual(state.square);
    });
  });

  it('give one element the same bits at every position of a block', () => {
    for (let n = 1; n <= 9; n++) {
      const fill = (value: number) => fixture.place(new Float32Array(n).fill(value));
      const sgdPtr = fill(0.3);
      kernels.sgdStepF32(sgdPtr, fill(0.7), fill(0.2), n, ratesPtr(0.1, 0.9), 0.9, 1, 1e-3);
      const adamPtr = fill(0.3);
      const [m, v] = [fill(0.1), fill(0.2)];
      const rates = ratesPtr(0.1, 1, 0.1, 0.01);
      kernels.adamStepF32(adamPtr, fill(0.7), m, v, n, rates, 0.9, 0.99, 1e-8, 0.1, 1);
      expect(new Set(fixture.f32(sgdPtr, n)).size).toBe(1);
      expect(new Set(fixture.f32(adamPtr, n)).size).toBe(1);
    }
  });

  it.each(LENGTHS)('averageF32 equals its twin for %d elements, and writes no more', (n) => {
    const average = testValues(n, 1, 1);
    const averagePtr = fixture.place(average);
    for (const [step, rate] of [1, 0.001, 1 / 3].entries()) {
      const param = testValues(n, 1, step + 2);
      ref.averageRef(average, param, rate);
      kernels.averageF32(averagePtr, fixture.place(param), n, ratesPtr(rate));
      expect(fixture.f32(averagePtr, n)).toEqual(average);
    }
  });

  it.each(LENGTHS)('sumSquaresF32 equals its twin for %d elements', (n) => {
    const x = testValues(n, 100);
    expect(sumSquares(fixture.place(x), n)).toBe(ref.sumSquaresRef(x));
  });

  it('sumSquaresF32 of 1, 2, ..., n is n (n + 1) (2n + 1) / 6, for any data after it', () => {
    for (let n = 0; n <= 50; n++) {
      const ptr = fixture.place(Float32Array.from({ length: n }, (_, i) => i + 1));
      expect(sumSquares(ptr, n)).toBe((n * (n + 1) * (2 * n + 1)) / 6);
    }
  });
});
