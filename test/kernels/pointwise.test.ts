// Pointwise kernels against their twins, at every position of an array, and against finite
// differences; dropout's masks against the plain Philox of base/random.ts.

import { beforeEach, describe, expect, it } from 'vitest';
import { Purpose } from '../../src/base/random.ts';
import type { KernelExports } from '../../src/kernels/exports.ts';
import * as ref from '../../src/kernels/reference/pointwise.ts';
import * as ramp from '../../src/kernels/reference/ramp.ts';
import {
  BUILDS,
  createFixture,
  type KernelFixture,
  testValues,
  ulps32,
} from '../support/kernelFixture.ts';

const LENGTHS = [0, 1, 3, 4, 5, 7, 64, 1001];
const SLOPE = 0.1;
const ALPHA = 0.7;
const GELU_SLOPE = 2 * Math.sqrt(2 / Math.PI);
const GELU_CUBE = 0.044715;
const SPECIAL = [0, -0, Infinity, -Infinity, NaN, 1e-40, -1e-40, 3e38, -3e38, 88, -88, 0.5];

interface Activation {
  readonly name: string;
  forward(kernels: KernelExports, xPtr: number, yPtr: number, n: number): void;
  forwardRef(y: Float32Array, x: Float32Array): void;
  /** `savedPtr` is y or x. */
  backward(kernels: KernelExports, ptrs: Backward): void;
  backwardRef(dx: Float32Array, dy: Float32Array, saved: Float32Array): void;
  readonly saves: 'x' | 'y';
  /** How far the kernel may be from the twin: 0 if both round the same exact result once, 1 if
   * their code for exp differs, so that the float64 results may round differently. */
  readonly ulps: number;
}

interface Backward {
  readonly dyPtr: number;
  readonly savedPtr: number;
  readonly dxPtr: number;
  readonly n: number;
}

const ACTIVATIONS: readonly Activation[] = [
  {
    name: 'relu',
    forward: (k, x, y, n) => k.reluF32(x, y, n),
    forwardRef: ref.reluRef,
    backward: (k, p) => k.reluGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n),
    backwardRef: ref.reluGradRef,
    saves: 'y',
    ulps: 0,
  },
  {
    name: 'leakyRelu',
    forward: (k, x, y, n) => k.leakyReluF32(x, y, n, SLOPE),
    forwardRef: (y, x) => ref.leakyReluRef(y, x, SLOPE),
    backward: (k, p) => k.leakyReluGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n, SLOPE),
    backwardRef: (dx, dy, y) => ref.leakyReluGradRef(dx, dy, y, SLOPE),
    saves: 'y',
    ulps: 0,
  },
  {
    name: 'elu',
    forward: (k, x, y, n) => k.eluF32(x, y, n, ALPHA),
    forwardRef: (y, x) => ref.eluRef(y, x, ALPHA),
    backward: (k, p) => k.eluGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n, ALPHA),
    backwardRef: (dx, dy, y) => ref.eluGradRef(dx, dy, y, ALPHA),
    saves: 'y',
    ulps: 1,
  },
  {
    name: 'relu6',
    forward: (k, x, y, n) => k.rampF32(x, y, n, 0, 6, 1),
    forwardRef: ramp.relu6Ref,
    backward: (k, p) => k.rampGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n, 6, 1),
    backwardRef: ramp.relu6GradRef,
    saves: 'y',
    ulps: 0,
  },
  {
    name: 'hardSigmoid',
    forward: (k, x, y, n) => k.rampF32(x, y, n, 3, 6, 1 / 6),
    forwardRef: ramp.hardSigmoidRef,
    backward: (k, p) => k.rampGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n, 1, 1 / 6),
    backwardRef: ramp.hardSigmoidGradRef,
    saves: 'y',
    ulps: 0,
  },
  {
    name: 'hardSwish',
    forward: (k, x, y, n) => k.rampGatedF32(x, y, n, 3, 6, 1 / 6),
    forwardRef: ramp.hardSwishRef,
    backward: (k, p) => k.rampGatedGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n, 3, 6, 1 / 6, 1),
    backwardRef: ramp.hardSwishGradRef,
    saves: 'x',
    ulps: 0,
  },
  {
    name: 'sigmoid',
    forward: (k, x, y, n) => k.sigmoidF32(x, y, n),
    forwardRef: ref.sigmoidRef,
    backward: (k, p) => k.sigmoidGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n),
    backwardRef: ref.sigmoidGradRef,
    saves: 'y',
    ulps: 1,
  },
  {
    name: 'tanh',
    forward: (k, x, y, n) => k.tanhF32(x, y, n),
    forwardRef: ref.tanhRef,
    backward: (k, p) => k.tanhGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n),
    backwardRef: ref.tanhGradRef,
    saves: 'y',
    ulps: 1,
  },
  {
    name: 'gelu',
    forward: (k, x, y, n) => k.geluF32(x, y, n),
    forwardRef: ref.geluRef,
    backward: (k, p) => k.geluGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n),
    backwardRef: ref.geluGradRef,
    saves: 'x',
    ulps: 1,
  },
  {
    name: 'gelu by tanh',
    forward: (k, x, y, n) => k.gatedF32(x, y, n, GELU_SLOPE, GELU_CUBE),
    forwardRef: ref.geluTanhRef,
    backward: (k, p) => k.gatedGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n, GELU_SLOPE, GELU_CUBE),
    backwardRef: ref.geluTanhGradRef,
    saves: 'x',
    ulps: 1,
  },
  {
    name: 'x times its sigmoid',
    forward: (k, x, y, n) => k.gatedF32(x, y, n, 1, 0),
    forwardRef: ref.siluRef,
    backward: (k, p) => k.gatedGradF32(p.dyPtr, p.savedPtr, p.dxPtr, p.n, 1, 0),
    backwardRef: ref.siluGradRef,
    saves: 'x',
    ulps: 1,
  },
];

function farthest(found: Float32Array, expected: Float32Array): number {
  let worst = 0;
  for (let i = 0; i < expected.length; i++)
    worst = Math.max(worst, ulps32(found[i]!, expected[i]!));
  return worst;
}

describe.each(BUILDS)('pointwise kernels, %s build', (build) => {
  const fixture: KernelFixture = createFixture(build);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  function forward(activation: Activation, x: Float32Array): Float32Array {
    const yPtr = fixture.reserve(x.length);
    activation.forward(kernels, fixture.place(x), yPtr, x.length);
    return fixture.f32(yPtr, x.length);
  }

  function backward(activation: Activation, dy: Float32Array, saved: Float32Array): Float32Array {
    const n = dy.length;
    const dxPtr = fixture.reserve(n);
    const ptrs = { dyPtr: fixture.place(dy), savedPtr: fixture.place(saved), dxPtr, n };
    activation.backward(kernels, ptrs);
    return fixture.f32(dxPtr, n);
  }

  describe.each(ACTIVATIONS)('$name', (activation) => {
    it.each(LENGTHS)('equals its twin for %d elements, and writes no more', (n) => {
      const x = testValues(n, 7);
      const dy = testValues(n, 2, 7);
      const y = forward(activation, x);
      const expected = new Float32Array(n);
      activation.forwardRef(expected, x);
      expect(farthest(y, expected)).toBeLessThanOrEqual(activation.ulps);
      expect(fixture.f32(y.byteOffset + 4 * n, 1)[0]).toBeNaN();
      const saved = activation.saves === 'x' ? x : Float32Array.from(y);
      const dx = backward(activation, dy, saved);
      activation.backwardRef(expected, dy, saved);
      expect(farthest(dx, expected)).toBeLessThanOrEqual(activation.ulps);
      expect(fixture.f32(dx.byteOffset + 4 * n, 1)[0]).toBeNaN();
    });

    it('equals its twin at zeros, infinities, NaN and the ends of float32', () => {
      const x = Float32Array.from(SPECIAL);
      const dy = new Float32Array(x.length).fill(1);
      const expected = new Float32Array(x.length);
      activation.forwardRef(expected, x);
      expect(farthest(forward(activation, x), expected)).toBeLessThanOrEqual(activation.ulps);
      const saved = activation.saves === 'x' ? x : expected;
      const dx = Float32Array.from(backward(activation, dy, saved));
      activation.backwardRef(expected, dy, Float32Array.from(saved));
      expect(farthest(dx, expected)).toBeLessThanOrEqual(activation.ulps);
    });

    it('gives one value the same bits at every position of every array', () => {
      for (const value of testValues(5, 3, 3)) {
        const bits = new Set<number>();
        const gradients = new Set<number>();
        for (let n = 1; n <= 9; n++) {
          const filled = new Float32Array(n).fill(value);
          for (const y of forward(activation, filled)) bits.add(y);
          const dy = new Float32Array(n).fill(0.7);
          for (const dx of backward(activation, dy, filled)) gradients.add(dx);
        }
        expect([bits.size, gradients.size]).toEqual([1, 1]);
      }
    });

    it('works in place', () => {
      const x = testValues(7);
      const apart = Float32Array.from(forward(activation, x));
      const xPtr = fixture.place(x);
      activation.forward(kernels, xPtr, xPtr, x.length);
      expect(fixture.f32(xPtr, x.length)).toEqual(apart);
      const dy = testValues(7, 1, 5);
      const dx = Float32Array.from(backward(activation, dy, apart));
      const dyPtr = fixture.place(dy);
      const savedPtr = fixture.place(apart);
      activation.backward(kernels, { dyPtr, savedPtr, dxPtr: dyPtr, n: 7 });
      expect(fixture.f32(dyPtr, 7)).toEqual(dx);
    });

    it('has a gradient that equals finite differences of its twin', () => {
      // Steps of 1/64 around multiples of 1/8 are exact in float32; 0, where relu bends, is left
      // out.
      const h = 1 / 64;
      const x = Float32Array.from({ length: 48 }, (_, i) => (i - 24) / 8 + 1 / 16);
      const near = (shift: number): Float64Array => {
        const y = new Float32Array(x.length);
        activation.forwardRef(
          y,
          x.map((v) => v + shift),
        );
        return Float64Array.from(y);
      };
      const [above, below] = [near(h), near(-h)];
      const saved = activation.saves === 'x' ? x : Float32Array.from(forward(activation, x));
      const dx = backward(activation, new Float32Array(x.length).fill(1), saved);
      // The error of central differences is h^2 f''' / 6; float32 adds 1e-7 / h.
      for (const [i, d] of dx.entries()) {
        expect(d).toBeCloseTo((above[i]! - below[i]!) / (2 * h), 3);
      }
    });
  });
});

describe.each(BUILDS)('dropout, %s build', (build) => {
  const fixture: KernelFixture = createFixture(build);
  beforeEach(() => fixture.reset());

  const P = 0.3;
  const OPTIONS = {
    threshold: Math.ceil(P * 2 ** 32),
    scale: 1 / (1 - P),
    firstSample: 5,
    step: 12,
    seed: 2 ** 40 + 4e9,
    key: Purpose.dropout | (3 << 8),
  };

  function dropout(x: Float32Array, countSamples: number, options = OPTIONS): Float32Array {
    const { threshold, scale, firstSample, step, seed, key } = options;
    const yPtr = fixture.reserve(x.length);
    fixture.kernels.dropoutF32(
      fixture.place(x),
      yPtr,
      countSamples,
      x.length / countSamples,
      threshold,
      scale,
      firstSample,
      step,
      seed,
      Math.floor(seed / 2 ** 32),
      key,
    );
    return fixture.f32(yPtr, x.length);
  }

  it.each([1, 3, 4, 5, 15, 16, 17, 64, 1001])('equals its twin for 3 samples of %d', (elements) => {
    const x = testValues(3 * elements);
    const expected = new Float32Array(x.length);
    ref.dropoutRef(expected, x, { ...OPTIONS, countSamples: 3, elements });
    const y = dropout(x, 3);
    expect(y).toEqual(expected);
    expect(fixture.f32(y.byteOffset + y.byteLength, 1)[0]).toBeNaN();
  });

  it('keeps the share 1 - p of the elements, and scales them by 1 / (1 - p)', () => {
    const n = 100_000;
    const y = dropout(new Float32Array(n).fill(1), 1);
    const kept = y.filter((v) => v !== 0);
    // Six standard deviations of a binomial share.
    expect(Math.abs(kept.length / n - (1 - P))).toBeLessThan(6 * Math.sqrt((P * (1 - P)) / n));
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / (1 - P))]));
  });

  it('has different masks for different seeds, high seed parts, steps, samples and layers', () => {
    const ones = new Float32Array(256).fill(1);
    const masks = [
      OPTIONS,
      { ...OPTIONS, seed: OPTIONS.seed + 1 },
      { ...OPTIONS, seed: OPTIONS.seed + 2 ** 32 },
      { ...OPTIONS, step: OPTIONS.step + 1 },
      { ...OPTIONS, firstSample: OPTIONS.firstSample + 1 },
      { ...OPTIONS, key: OPTIONS.key + 256 },
    ].map((options) => dropout(ones, 1, options).join());
    expect(new Set(masks).size).toBe(masks.length);
  });

  it('gives a sample the same mask wherever its batch begins', () => {
    const x = testValues(4 * 37);
    const whole = Float32Array.from(dropout(x, 4));
    const later = { ...OPTIONS, firstSample: OPTIONS.firstSample + 2 };
    expect(dropout(x.subarray(2 * 37), 2, later)).toEqual(whole.subarray(2 * 37));
  });

  it('drops NaN and infinity to 0', () => {
    const y = dropout(new Float32Array(64).fill(NaN), 1);
    const mask = Array.from(dropout(new Float32Array(64).fill(1), 1), (v) => v !== 0);
    expect(Array.from(y, (v) => Number.isNaN(v))).toEqual(mask);
    expect(Array.from(y).filter((v) => v === 0)).toHaveLength(mask.filter((kept) => !kept).length);
  });

  it('keeps everything when p is 0', () => {
    const x = testValues(37);
    expect(dropout(x, 1, { ...OPTIONS, threshold: 0, scale: 1 })).toEqual(x);
  });
});
