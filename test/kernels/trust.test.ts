// Kernels of LARS, LAMB and Lion, and of clipping by value, against their twins. The published
// formulas are in test/optim/optimizer.test.ts.

import { beforeEach, describe, expect, it } from 'vitest';
import * as ref from '../../src/kernels/reference/optimizer.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

const LENGTHS = [0, 1, 3, 4, 5, 7, 64, 1001];
const STEPS = 3;
const GRAD_SCALE = 0.3;

describe.each(BUILDS)('kernels of optimizers for large batches, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  const ratesPtr = (...rates: number[]): number => fixture.place(Float64Array.from(rates));

  function expectState(ptr: number, values: Float32Array): void {
    const { length } = values;
    expect(fixture.f32(ptr, length)).toEqual(values);
    expect(fixture.f32(ptr, length + 1)[length]).toBeNaN();
  }

  describe.each([0, 0.9])('lars with a momentum of %d', (momentum) => {
    it.each(LENGTHS)('equals its twin for %d elements, and writes no more', (n) => {
      const options = { lr: 0.5, momentum, weightDecay: 5e-4, gradScale: GRAD_SCALE, trust: 0.07 };
      const param = testValues(n);
      const buffer = momentum === 0 ? undefined : new Float32Array(n);
      const paramPtr = fixture.place(param);
      const bufferPtr = buffer === undefined ? 0 : fixture.place(buffer);
      for (let step = 0; step < STEPS; step++) {
        const grad = testValues(n, 1, step + 2);
        ref.larsStepRef(param, grad, buffer, options);
        const rates = ratesPtr(options.lr, options.gradScale, options.trust);
        const gradPtr = fixture.place(grad);
        kernels.larsStepF32(
          ...([paramPtr, gradPtr, bufferPtr, n, rates] as const),
          ...([momentum, options.weightDecay] as const),
        );
      }
      expectState(paramPtr, param);
      if (buffer !== undefined) expectState(bufferPtr, buffer);
    });
  });

  it.each(LENGTHS)('lamb equals its twin for %d elements, and writes no more', (n) => {
    const [beta1, beta2, eps, weightDecay, trust] = [0.9, 0.99, 1e-6, 0.01, 0.4];
    const param = testValues(n);
    const state = { mean: new Float32Array(n), square: new Float32Array(n) };
    const [paramPtr, meanPtr, squarePtr] = [param, state.mean, state.square].map(fixture.place);
    const sumPtr = fixture.reserve(1, 8);
    for (let t = 1; t <= STEPS; t++) {
      const grad = testValues(n, 1, t + 1);
      const corrections = { biasCorrection1: 1 - beta1 ** t, biasCorrection2: 1 - beta2 ** t };
      const rest = { lr: 0.01, gradScale: GRAD_SCALE, trust };
      const options = { beta1, beta2, eps, weightDecay, ...corrections, ...rest };
      const sum = ref.lambMomentsRef(param, grad, state, options);
      ref.lambStepRef(param, state, options);
      const { biasCorrection1, biasCorrection2 } = corrections;
      const rates = ratesPtr(0.01, GRAD_SCALE, trust, biasCorrection1, biasCorrection2);
      kernels.lambMomentsF32(
        ...([paramPtr!, fixture.place(grad), meanPtr!, squarePtr!, n, rates] as const),
        ...([beta1, beta2, eps, weightDecay, sumPtr] as const),
      );
      expect(fixture.f64(sumPtr, 1)[0]).toBe(sum);
      kernels.lambStepF32(paramPtr!, meanPtr!, squarePtr!, n, rates, eps, weightDecay);
    }
    expectState(paramPtr!, param);
    expectState(meanPtr!, state.mean);
    expectState(squarePtr!, state.square);
  });

  it.each(LENGTHS)('lion equals its twin for %d elements, and writes no more', (n) => {
    const options = { lr: 0.01, beta1: 0.9, beta2: 0.99, weightDecay: 0.1, gradScale: GRAD_SCALE };
    const param = testValues(n);
    const mean = new Float32Array(n);
    const [paramPtr, meanPtr] = [param, mean].map(fixture.place);
    for (let step = 0; step < STEPS; step++) {
      const grad = testValues(n, 1, step + 2);
      if (step === 0 && n > 1) grad[1] = 0;
      ref.lionStepRef(param, grad, mean, options);
      const gradPtr = fixture.place(grad);
      const rates = ratesPtr(options.lr, options.gradScale);
      kernels.lionStepF32(paramPtr!, gradPtr, meanPtr!, n, rates, 0.9, 0.99, 0.1);
    }
    expectState(paramPtr!, param);
    expectState(meanPtr!, mean);
  });

  it('lion lets a NaN through, so that a broken run is seen', () => {
    const fill = (value: number): number => fixture.place(Float32Array.of(value));
    const paramPtr = fill(1);
    kernels.lionStepF32(paramPtr, fill(Number.NaN), fill(0), 1, ratesPtr(0.1, 1), 0.9, 0.99, 0);
    expect(fixture.f32(paramPtr, 1)[0]).toBeNaN();
  });

  it.each(LENGTHS)('clampF32 equals its twin for %d elements, and writes no more', (n) => {
    const x = testValues(n, 2);
    const special = [Infinity, -Infinity, Number.NaN];
    x.set(special.slice(0, Math.min(n, 3)));
    const xPtr = fixture.place(x);
    kernels.clampF32(xPtr, n, 0.1);
    ref.clampRef(x, 0.1);
    expectState(xPtr, x);
  });
});
