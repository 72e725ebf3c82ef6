// Pool kernels against their twins over windows and channel counts, ties, NaN and gradients.

import { beforeEach, describe, expect, it } from 'vitest';
import * as ref from '../../src/kernels/reference/pool.ts';
import { BUILDS, createFixture, type KernelFixture, testValues } from '../support/kernelFixture.ts';

const CHANNELS = [1, 3, 4, 5, 8, 13];

/** Height, width, kernel, stride, padding. */
const WINDOWS: readonly (readonly [number, number, Pair, Pair, Pair])[] = [
  [6, 6, [2, 2], [2, 2], [0, 0]],
  [7, 5, [2, 2], [2, 2], [0, 0]],
  [7, 6, [3, 3], [2, 2], [1, 1]],
  [5, 4, [3, 2], [1, 2], [1, 0]],
  [4, 9, [1, 4], [1, 3], [0, 2]],
  [3, 3, [3, 3], [3, 3], [0, 0]],
  [5, 5, [2, 2], [3, 3], [0, 0]],
  // More before the input than half a window.
  [4, 5, [3, 4], [2, 1], [2, 3]],
];
type Pair = readonly [number, number];

const GRID = WINDOWS.flatMap((window) => CHANNELS.map((channels) => ({ window, channels })));

function optionsOf(
  window: (typeof WINDOWS)[number],
  channels: number,
  countSamples = 3,
): ref.PoolRefOptions {
  const [height, width, kernel, stride, padding] = window;
  const out = (size: number, i: 0 | 1) =>
    Math.floor((size + 2 * padding[i] - kernel[i]) / stride[i]) + 1;
  const outHeight = out(height, 0);
  const outWidth = out(width, 1);
  return { countSamples, height, width, channels, outHeight, outWidth, kernel, stride, padding };
}

function geometry(o: ref.PoolRefOptions) {
  const [kh, kw, sh, sw, ph, pw] = [...o.kernel, ...o.stride, ...o.padding] as const;
  return [o.height, o.width, o.channels, o.outHeight, o.outWidth, kh, kw, sh, sw, ph, pw] as const;
}

const inSize = (o: ref.PoolRefOptions) => o.countSamples * o.height * o.width * o.channels;
const outSize = (o: ref.PoolRefOptions) => o.countSamples * o.outHeight * o.outWidth * o.channels;

describe.each(BUILDS)('pool kernels, %s build', (build) => {
  const fixture: KernelFixture = createFixture(build, 32);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  function maxPool(x: Float32Array, o: ref.PoolRefOptions) {
    const yPtr = fixture.reserve(outSize(o));
    const indexPtr = fixture.reserve(outSize(o));
    kernels.maxPool2dF32(
      fixture.place(x),
      yPtr,
      indexPtr,
      o.countSamples,
      ...(geometry(o) as Geometry),
    );
    return { y: fixture.f32(yPtr, outSize(o)), index: fixture.i32(indexPtr, outSize(o)) };
  }

  function maxPoolGrad(dy: Float32Array, index: Int32Array, o: ref.PoolRefOptions): Float32Array {
    const dxPtr = fixture.reserve(inSize(o));
    kernels.maxPool2dGradF32(
      fixture.place(dy),
      fixture.place(index),
      dxPtr,
      o.countSamples,
      o.height * o.width,
      o.outHeight * o.outWidth,
      o.channels,
    );
    return fixture.f32(dxPtr, inSize(o));
  }

  function avgPool(x: Float32Array, o: ref.PoolRefOptions, includePad: boolean): Float32Array {
    const yPtr = fixture.reserve(outSize(o));
    const xPtr = fixture.place(x);
    const sizes = geometry(o) as Geometry;
    kernels.avgPool2dF32(xPtr, yPtr, o.countSamples, ...sizes, Number(includePad));
    return fixture.f32(yPtr, outSize(o));
  }

  function avgPoolGrad(dy: Float32Array, o: ref.PoolRefOptions, includePad: boolean): Float32Array {
    const dxPtr = fixture.reserve(inSize(o));
    const dyPtr = fixture.place(dy);
    const sizes = geometry(o) as Geometry;
    kernels.avgPool2dGradF32(dyPtr, dxPtr, o.countSamples, ...sizes, Number(includePad));
    return fixture.f32(dxPtr, inSize(o));
  }

  it.each(GRID)('maxPool2d and its gradient equal their twins, %o', ({ window, channels }) => {
    const o = optionsOf(window, channels);
    // Few distinct values, so that there are ties.
    const x = testValues(inSize(o)).map(Math.round);
    const dy = testValues(outSize(o), 1, 3);
    const y = new Float32Array(outSize(o));
    const index = new Int32Array(outSize(o));
    const dx = new Float32Array(inSize(o));
    ref.maxPool2dRef(y, index, x, o);
    ref.maxPool2dGradRef(dx, dy, index, o);
    const found = maxPool(x, o);
    expect(found.y).toEqual(y);
    expect(found.index).toEqual(index);
    expect(fixture.i32(found.index.byteOffset, outSize(o) + 1)[outSize(o)]).toBe(-1);
    expect(maxPoolGrad(dy, index, o)).toEqual(dx);
  });

  it('maxPool2d lets NaN win, and gives the last NaN of a window the gradient', () => {
    const o = optionsOf([2, 2, [2, 2], [2, 2], [0, 0]], 1, 2);
    const { y, index } = maxPool(Float32Array.of(1, NaN, NaN, 9, 9, 9, 1, 2), o);
    expect(Array.from(y)).toEqual([NaN, 9]);
    expect(Array.from(index)).toEqual([2, 0]);
  });

  it('maxPool2d of a window of -infinity is -infinity, at its first position', () => {
    const o = optionsOf([3, 3, [3, 3], [2, 2], [1, 1]], 1, 1);
    const { y, index } = maxPool(new Float32Array(9).fill(-Infinity), o);
    expect(Array.from(y)).toEqual([-Infinity, -Infinity, -Infinity, -Infinity]);
    expect(Array.from(index)).toEqual([0, 1, 3, 4]);
  });

  describe.each([true, false])('with countIncludePad %s', (includePad) => {
    it.each(GRID)('avgPool2d and its gradient equal their twins, %o', ({ window, channels }) => {
      const o = { ...optionsOf(window, channels), countIncludePad: includePad };
      const x = testValues(inSize(o));
      const dy = testValues(outSize(o), 1, 3);
      const y = new Float32Array(outSize(o));
      const dx = new Float32Array(inSize(o));
      ref.avgPool2dRef(y, x, o);
      ref.avgPool2dGradRef(dx, dy, o);
      const found = avgPool(x, o, includePad);
      expect(found).toEqual(y);
      expect(fixture.f32(found.byteOffset, outSize(o) + 1)[outSize(o)]).toBeNaN();
      expect(avgPoolGrad(dy, o, includePad)).toEqual(dx);
    });

    it('the gradient of avgPool2d is its adjoint: dot(dy, A x) = dot(A^T dy, x)', () => {
      for (const window of WINDOWS) {
        const o = optionsOf(window, 3, 2);
        const x = testValues(inSize(o));
        const dy = testValues(outSize(o), 1, 3);
        const dot = (a: Float32Array, b: Float32Array) => a.reduce((s, v, i) => s + v * b[i]!, 0);
        const forward = dot(dy, avgPool(x, o, includePad));
        expect(dot(avgPoolGrad(dy, o, includePad), x)).toBeCloseTo(forward, 4);
      }
    });
  });

  it('the gradient of maxPool2d equals finite differences', () => {
    const o = optionsOf([5, 6, [3, 3], [2, 2], [1, 1]], 2, 1);
    // A permutation of whole numbers: steps of 1/4 move no maximum.
    const x = Float32Array.from({ length: inSize(o) }, (_, i) => (i * 37) % 61);
    const dy = testValues(outSize(o), 1, 3);
    const dx = Float32Array.from(maxPoolGrad(dy, Int32Array.from(maxPool(x, o).index), o));
    const loss = (at: number, step: number) => {
      const moved = Float32Array.from(x);
      moved[at] = moved[at]! + step;
      return maxPool(moved, o).y.reduce((sum, y, i) => sum + y * dy[i]!, 0);
    };
    for (const [i, d] of dx.entries()) {
      expect(d).toBeCloseTo((loss(i, 0.25) - loss(i, -0.25)) * 2, 4);
    }
  });

  it.each(CHANNELS)('globalAvgPool and its gradient equal their twins, %d channels', (channels) => {
    const [countSamples, pixels] = [3, 35];
    const x = testValues(countSamples * pixels * channels);
    const dy = testValues(countSamples * channels, 1, 3);
    const y = new Float32Array(dy.length);
    const dx = new Float32Array(x.length);
    ref.globalAvgPoolRef(y, x, pixels, channels);
    ref.globalAvgPoolGradRef(dx, dy, pixels, channels);
    const yPtr = fixture.reserve(y.length);
    const dxPtr = fixture.reserve(dx.length);
    kernels.globalAvgPoolF32(fixture.place(x), yPtr, countSamples, pixels, channels);
    kernels.globalAvgPoolGradF32(fixture.place(dy), dxPtr, countSamples, pixels, channels);
    expect(fixture.f32(yPtr, y.length)).toEqual(y);
    expect(fixture.f32(dxPtr, dx.length)).toEqual(dx);
    expect(fixture.f32(dxPtr, dx.length + 1)[dx.length]).toBeNaN();
  });

  it('a channel has the same bits whatever the number of channels is', () => {
    const alone = optionsOf([6, 6, [3, 3], [2, 2], [1, 1]], 1, 1);
    const image = testValues(inSize(alone));
    const y = Float32Array.from(avgPool(image, alone, true));
    for (const channels of [2, 3, 4, 5, 7]) {
      const o = { ...alone, channels };
      const x = Float32Array.from(
        { length: inSize(o) },
        (_, i) => image[Math.floor(i / channels)]!,
      );
      const wide = Float32Array.from(
        { length: outSize(o) },
        (_, i) => y[Math.floor(i / channels)]!,
      );
      expect(avgPool(x, o, true)).toEqual(wide);
    }
  });
});

type Geometry = [
  height: number,
  width: number,
  channels: number,
  outHeight: number,
  outWidth: number,
  kernelHeight: number,
  kernelWidth: number,
  strideHeight: number,
  strideWidth: number,
  paddingHeight: number,
  paddingWidth: number,
];
