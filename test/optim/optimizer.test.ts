// Optimizers against PyTorch's documented formulas, and the papers' where PyTorch has none, written
// out in float64 without rounding.

import { beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import {
  bindOptimizer,
  countRates,
  stateTensorsOf,
  writeRates,
} from '../../src/optim/bindOptimizer.ts';
import { RATE_GRAD_SCALE } from '../../src/optim/kind.ts';
import { adam, adamw, optimizers, sgd } from '../../src/optim/optimizer.ts';
import type {
  AdamSpec,
  LambSpec,
  LarsSpec,
  LionSpec,
  OptimizerSpec,
  RmspropSpec,
  SgdSpec,
} from '../../src/optim/optimizers.ts';
import { TRUST_SUMS } from '../../src/plan/regions.ts';
import { createFixture, MODES, testValues } from '../support/kernelFixture.ts';

const STEPS = 10;
const LENGTH = 21;

/** PyTorch's documented algorithm of SGD, all in float64, on parameters that are never rounded. */
function sgdInFloat64(spec: SgdSpec, start: Float32Array, grads: readonly Float32Array[]) {
  return Array.from(start, (first, i) => {
    let param = first;
    let buffer: number | undefined;
    for (const grad of grads) {
      let g = grad[i]! + spec.weightDecay * param;
      if (spec.momentum !== 0) {
        buffer = buffer === undefined ? g : spec.momentum * buffer + g;
        g = spec.nesterov ? g + spec.momentum * buffer : buffer;
      }
      param -= spec.lr * g;
    }
    return param;
  });
}

/** The same for Adam and AdamW. */
function adamInFloat64(spec: AdamSpec, start: Float32Array, grads: readonly Float32Array[]) {
  const [beta1, beta2] = spec.betas;
  return Array.from(start, (first, i) => {
    let [param, m, v] = [first, 0, 0];
    for (const [t, grad] of grads.entries()) {
      let g = grad[i]!;
      if (spec.kind === 'adam') g += spec.weightDecay * param;
      else param -= spec.lr * spec.weightDecay * param;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      const mHat = m / (1 - beta1 ** (t + 1));
      const vHat = v / (1 - beta2 ** (t + 1));
      param -= (spec.lr * mHat) / (Math.sqrt(vHat) + spec.eps);
    }
    return param;
  });
}

/** PyTorch's documented algorithm of RMSprop, likewise. */
function rmspropInFloat64(spec: RmspropSpec, start: Float32Array, grads: readonly Float32Array[]) {
  const { alpha, eps, momentum, centered, weightDecay, lr } = spec;
  return Array.from(start, (first, i) => {
    let param = first;
    let square = 0;
    let mean = 0;
    let buffer = 0;
    for (const grad of grads) {
      const g = grad[i]! + weightDecay * param;
      square = alpha * square + (1 - alpha) * g * g;
      mean += (1 - alpha) * (g - mean);
      const spread = centered ? square - mean * mean : square;
      buffer = momentum * buffer + g / (Math.sqrt(spread) + eps);
      param -= lr * buffer;
    }
    return param;
  });
}

/** Algorithm 1 of LARS, for one tensor. */
function larsInFloat64(spec: LarsSpec, start: Float32Array, grads: readonly Float32Array[]) {
  const { momentum, trustCoefficient, weightDecay, lr } = spec;
  const param = Array.from(start);
  const buffer = param.map(() => 0);
  for (const grad of grads) {
    const weight = Math.hypot(...param);
    const ratio = (trustCoefficient * weight) / (Math.hypot(...grad) + weightDecay * weight);
    for (let i = 0; i < param.length; i++) {
      const change = lr * ratio * (grad[i]! + weightDecay * param[i]!);
      buffer[i] = momentum * buffer[i]! + change;
      param[i]! -= buffer[i]!;
    }
  }
  return param;
}

/** Algorithm 2 of LAMB, for one tensor. */
function lambInFloat64(spec: LambSpec, start: Float32Array, grads: readonly Float32Array[]) {
  const [beta1, beta2] = spec.betas;
  const param = Array.from(start);
  const m = param.map(() => 0);
  const v = param.map(() => 0);
  for (const [t, grad] of grads.entries()) {
    const direction = param.map((p, i) => {
      m[i] = beta1 * m[i]! + (1 - beta1) * grad[i]!;
      v[i] = beta2 * v[i]! + (1 - beta2) * grad[i]! ** 2;
      const mHat = m[i]! / (1 - beta1 ** (t + 1));
      const vHat = v[i]! / (1 - beta2 ** (t + 1));
      return mHat / (Math.sqrt(vHat) + spec.eps) + spec.weightDecay * p;
    });
    const ratio = Math.hypot(...param) / Math.hypot(...direction);
    for (let i = 0; i < param.length; i++) param[i]! -= spec.lr * ratio * direction[i]!;
  }
  return param;
}

/** Program 1 of Lion. */
function lionInFloat64(spec: LionSpec, start: Float32Array, grads: readonly Float32Array[]) {
  const [beta1, beta2] = spec.betas;
  return Array.from(start, (first, i) => {
    let [param, m] = [first, 0];
    for (const grad of grads) {
      const g = grad[i]!;
      const update = Math.sign(beta1 * m + (1 - beta1) * g);
      m = beta2 * m + (1 - beta2) * g;
      param -= spec.lr * (update + spec.weightDecay * param);
    }
    return param;
  });
}

function inFloat64(spec: OptimizerSpec, start: Float32Array, grads: readonly Float32Array[]) {
  if (spec.kind === 'sgd') return sgdInFloat64(spec, start, grads);
  if (spec.kind === 'rmsprop') return rmspropInFloat64(spec, start, grads);
  if (spec.kind === 'lars') return larsInFloat64(spec, start, grads);
  if (spec.kind === 'lamb') return lambInFloat64(spec, start, grads);
  if (spec.kind === 'lion') return lionInFloat64(spec, start, grads);
  return adamInFloat64(spec, start, grads);
}

const { lamb, lars, lion, rmsprop } = optimizers;

const SPECS: readonly (readonly [string, OptimizerSpec])[] = [
  ['sgd', sgd({ lr: 0.05 })],
  ['sgd with decay', sgd({ lr: 0.05, weightDecay: 0.01 })],
  ['sgd with momentum', sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 })],
  ['sgd with Nesterov', sgd({ lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4 })],
  ['adam', adam({ lr: 0.01 })],
  ['adam with decay', adam({ lr: 0.01, weightDecay: 0.1 })],
  ['adamw', adamw({ lr: 0.01, weightDecay: 0.1 })],
  ['adamw with other betas', adamw({ lr: 0.01, betas: [0.5, 0.9], eps: 1e-3 })],
  ['rmsprop', rmsprop({ lr: 0.01 })],
  ['rmsprop with decay', rmsprop({ lr: 0.01, alpha: 0.9, weightDecay: 0.1 })],
  ['rmsprop with momentum', rmsprop({ lr: 0.005, momentum: 0.9 })],
  ['lars', lars({ lr: 5, trustCoefficient: 0.01, weightDecay: 0.1 })],
  ['lars without momentum', lars({ lr: 20, momentum: 0 })],
  ['lamb', lamb({ lr: 0.02 })],
  ['lamb with other betas and decay', lamb({ lr: 0.02, betas: [0.5, 0.9], weightDecay: 0.5 })],
  ['lion', lion({ lr: 0.01 })],
  ['lion with decay', lion({ lr: 0.01, betas: [0.5, 0.9], weightDecay: 0.1 })],
  ['rmsprop, centered', rmsprop({ lr: 0.002, alpha: 0.5, centered: true, eps: 1e-2 })],
];

describe.each(MODES)('optimizers, %s build', (mode) => {
  const fixture = createFixture(mode, 16);
  beforeEach(() => fixture.reset());

  function run(
    spec: OptimizerSpec,
    start: Float32Array,
    grads: readonly Float32Array[],
    options: { readonly decays?: boolean; readonly gradScale?: number } = {},
  ): Float32Array {
    const paramPtr = fixture.place(start);
    const statePtrs = stateTensorsOf(spec).map(() => fixture.place(new Float32Array(LENGTH)));
    const ratesPtr = fixture.reserve(countRates(spec), 8);
    const rates = fixture.f64(ratesPtr, countRates(spec));
    const sumsPtr = fixture.reserve(TRUST_SUMS, 8);
    const optimizer = bindOptimizer(spec, fixture.kernels, ratesPtr);
    const { decays = true, gradScale = 1 } = options;
    for (const [step, grad] of grads.entries()) {
      const block = { paramPtr, gradPtr: fixture.place(grad), statePtrs, length: LENGTH, decays };
      writeRates(spec, step, spec.lr, rates);
      rates[RATE_GRAD_SCALE] = gradScale;
      optimizer.trust?.prepare(block, sumsPtr);
      optimizer.trust?.writeRatio(fixture.f64(sumsPtr, TRUST_SUMS), decays, rates);
      optimizer.update(block);
    }
    return Float32Array.from(fixture.f32(paramPtr, LENGTH));
  }

  const start = testValues(LENGTH, 1);
  const grads = Array.from({ length: STEPS }, (_, i) => testValues(LENGTH, 1, i + 2));

  it.each(SPECS)('%s follows its formulas over ten steps', (_name, spec) => {
    const found = run(spec, start, grads);
    const expected = inFloat64(spec, start, grads);
    // Each step rounds the parameter, at most 2^-24 of 2, and hardly more from its rounded state.
    const tolerance = STEPS * 2 * 2 ** -23;
    for (const [i, value] of found.entries()) {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(tolerance);
    }
    expect(found).not.toEqual(start);
  });

  it.each(SPECS)('%s without decay is the same as with a decay of 0', (_name, spec) => {
    const bare = run({ ...spec, weightDecay: 0 }, start, grads);
    expect(run(spec, start, grads, { decays: false })).toEqual(bare);
  });

  it.each(SPECS)('%s scales gradients first', (_name, spec) => {
    const halves = grads.map((grad) => grad.map((g) => g / 2));
    const scaled = run(spec, start, grads, { gradScale: 0.5 });
    expect(scaled).toEqual(run(spec, start, halves));
  });
});

describe('optimizer specs', () => {
  it("have PyTorch's defaults filled in", () => {
    const decayNormAndBias = true;
    const rest = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, decayNormAndBias };
    expect(sgd({ lr: 0.1 })).toEqual({
      kind: 'sgd',
      lr: 0.1,
      momentum: 0,
      nesterov: false,
      weightDecay: 0,
      decayNormAndBias,
    });
    expect(adam()).toEqual({ kind: 'adam', weightDecay: 0, ...rest });
    expect(adamw()).toEqual({ kind: 'adamw', weightDecay: 0.01, ...rest });
    expect(lion()).toEqual({
      ...{ kind: 'lion', lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0, decayNormAndBias },
    });
    const alike = { decayNormAndBias: false, adaptNormAndBias: false };
    expect(lamb()).toEqual({ kind: 'lamb', ...rest, eps: 1e-6, weightDecay: 0.01, ...alike });
    expect(lars({ lr: 2 })).toEqual({
      ...{ kind: 'lars', lr: 2, momentum: 0.9, trustCoefficient: 1e-3, eps: 1e-8 },
      ...{ weightDecay: 0, ...alike },
    });
    expect(adamw({ decayNormAndBias: false }).decayNormAndBias).toBe(false);
  });

  it('say which state they need', () => {
    expect(stateTensorsOf(sgd({ lr: 0.1 }))).toEqual([]);
    expect(stateTensorsOf(sgd({ lr: 0.1, momentum: 0.9 }))).toEqual(['momentum']);
    expect(stateTensorsOf(adam())).toEqual(['mean', 'square']);
    expect(stateTensorsOf(adamw())).toEqual(['mean', 'square']);
    expect(stateTensorsOf(lamb())).toEqual(['mean', 'square']);
    expect(stateTensorsOf(lars({ lr: 1 }))).toEqual(['momentum']);
    expect(stateTensorsOf(lion())).toEqual(['mean']);
  });

  it('refuse invalid options', () => {
    for (const wrong of [
      () => sgd({ lr: 0 }),
      () => sgd({ lr: Number.NaN }),
      () => sgd({ lr: Infinity }),
      () => sgd({ lr: 0.1, momentum: 1 }),
      () => sgd({ lr: 0.1, momentum: -0.1 }),
      () => sgd({ lr: 0.1, nesterov: true }),
      () => sgd({ lr: 0.1, weightDecay: -1 }),
      () => adam({ lr: -1 }),
      () => adam({ betas: [0.9, 1] }),
      () => adam({ betas: [0.9] as unknown as [number, number] }),
      () => adamw({ eps: 0 }),
      () => lars({ lr: 1, trustCoefficient: 0 }),
      () => lamb({ betas: [1, 0.9] }),
      () => lion({ lr: 0 }),
      () => adamw({ weightDecay: Number.NaN }),
    ]) {
      expect(wrong).toThrow(UsageError);
    }
  });
});
