import { beforeEach, describe, expect, it } from 'vitest';
import {
  batchNormSetsRef,
  groupNormSetsRef,
  layerNormSetsRef,
  mergeMomentsRef,
  momentsRef,
  type NormSetsRef,
  normalizeGradRef,
  normalizeRef,
} from '../../src/kernels/reference/norm.ts';
import { gradCoefficientsLength } from '../../src/norm/coefficients.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

const CHANNELS = [1, 3, 4, 5, 8, 13, 19, 32];
const ROWS = [1, 2, 7, 1003];
const GRID = CHANNELS.flatMap((channels) => ROWS.map((rows) => [rows, channels] as const));
const EPS = 1e-5;
/** Of statistics and sums in float64. */
const FLOAT64_TOLERANCE = 1e-11;
/** Of many rows the squares, and with many channels the gradient sums, go through float32 trees:
 * their errors average out, to a few 1e-8 of what is summed. */
const TREE_TOLERANCE = 1e-7;
const TREE_ROWS = 128;
/** The promised errors of outputs and gradients, in float32 ulp of the largest magnitude. */
const ALLOWED_ULPS = 2;
const ALLOWED_GRAD_ULPS = 4;
const MEAN_OF_A_MILLION = 1e6;

function columnOf(x: Float32Array, channels: number, channel: number): Float64Array {
  return Float64Array.from(x.filter((_, i) => i % channels === channel));
}

function worstUlps(found: ArrayLike<number>, exact: Float64Array): number {
  expect(found.length).toBe(exact.length);
  const scale = exact.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-30);
  let worst = 0;
  for (let i = 0; i < exact.length; i++) {
    const ulps = Math.abs(found[i]! - exact[i]!) / 2 ** (Math.floor(Math.log2(scale)) - 23);
    worst = Number.isNaN(ulps) ? Number.POSITIVE_INFINITY : Math.max(worst, ulps);
  }
  return worst;
}

function expectNear(
  found: ArrayLike<number>,
  exact: ArrayLike<number>,
  scale: number,
  tolerance = FLOAT64_TOLERANCE,
): void {
  expect(found.length).toBe(exact.length);
  for (let i = 0; i < exact.length; i++) {
    if (!(Math.abs(found[i]! - exact[i]!) <= tolerance * scale)) {
      expect.fail(`element ${i}: ${found[i]} instead of ${exact[i]}`);
    }
  }
}

describe.each(BUILDS)('normalization kernels, %s build', (build) => {
  const fixture = createFixture(build, 64);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  function moments(x: Float32Array, rows: number, channels: number): Float64Array {
    const vectorPtr = fixture.reserve(1 + 2 * channels, 8);
    kernels.momentsF32(fixture.place(x), rows, channels, fixture.reserve(channels), vectorPtr);
    expect(fixture.f64(vectorPtr, 2 + 2 * channels)[1 + 2 * channels]).toBeNaN();
    return fixture.f64(vectorPtr, 1 + 2 * channels).slice();
  }

  it.each(GRID)('momentsF32 equals its twin, %d rows of %d channels', (rows, channels) => {
    const x = testValues(rows * channels);
    const found = moments(x, rows, channels);
    expect(found[0]).toBe(rows);
    for (let c = 0; c < channels; c++) {
      const { mean, m2 } = momentsRef(columnOf(x, channels, c));
      expectNear([found[1 + c]!], [mean], 16);
      const tolerance = rows < TREE_ROWS ? FLOAT64_TOLERANCE : TREE_TOLERANCE;
      expectNear([found[1 + channels + c]! / rows], [m2 / rows], m2 / rows, tolerance);
    }
  });

  it.each(CHANNELS)('the moments of no rows are zeros, %d channels', (channels) => {
    expect(moments(new Float32Array(0), 0, channels)).toEqual(new Float64Array(1 + 2 * channels));
  });

  it('momentsF32 keeps the variance if the mean is a million times the deviation', () => {
    const [rows, channels] = [1000, 5];
    const x = testValues(rows * channels, 1.75).map((v) => v + MEAN_OF_A_MILLION);
    const found = moments(x, rows, channels);
    for (let c = 0; c < channels; c++) {
      const { mean, m2 } = momentsRef(columnOf(x, channels, c));
      expect(found[1 + c]! / mean).toBeCloseTo(1, 14);
      expect(found[1 + channels + c]! / m2).toBeCloseTo(1, 7);
    }
  });

  const DISTRIBUTIONS: Readonly<Record<string, (value: number, row: number) => number>> = {
    'an outlier in every pivot row': (value, row) => (row % 62 === 0 ? 1e4 : value),
    'nearly all zeros': (_value, row) => (row === 500 ? 1 : 0),
    'a step in the middle': (value, row) => value / 100 + (row < 500 ? 0 : 1000),
    'squares beyond float32': (value) => value * 1e25,
    'squares below float32': (value) => value * 1e-30,
    'subnormal numbers': (value) => value * 1e-42,
    'two values': (value) => (value < 0 ? 0.3 : 0.7),
    'one value': () => 0.7,
    '1 + 10^-4 deviations': (value) => 1 + 1e-4 * value,
  };

  it.each(Object.entries(DISTRIBUTIONS))('momentsF32 keeps its digits for %s', (_name, make) => {
    const [rows, channels] = [1000, 9];
    const x = testValues(rows * channels, 1.75).map((v, i) => make(v, Math.floor(i / channels)));
    const found = moments(x, rows, channels);
    for (let c = 0; c < channels; c++) {
      const { mean, m2 } = momentsRef(columnOf(x, channels, c));
      expectNear([found[1 + c]!], [mean], Math.abs(mean));
      expectNear([found[1 + channels + c]!], [m2], m2, TREE_TOLERANCE);
    }
  });

  it('NaN and infinity stay in the moments of their channel', () => {
    const [rows, channels] = [1000, 9];
    const x = testValues(rows * channels);
    const clean = moments(x, rows, channels);
    x[17 * channels + 2] = Number.NaN;
    x[400 * channels + 5] = Number.POSITIVE_INFINITY;
    const found = moments(x, rows, channels);
    for (let c = 0; c < channels; c++) {
      const pair = [found[1 + c]!, found[1 + channels + c]!];
      if (c === 2) expect(pair).toEqual([Number.NaN, Number.NaN]);
      else if (c === 5) expect(pair[1]).toBeNaN();
      else expect(pair).toEqual([clean[1 + c], clean[1 + channels + c]]);
    }
  });

  it('a channel has the same moments next to any other channels', () => {
    const x = testValues(300);
    const alone = moments(x, 300, 1);
    for (const channels of [3, 4, 6]) {
      const wide = Float32Array.from(
        { length: 300 * channels },
        (_, i) => x[Math.floor(i / channels)]!,
      );
      const found = moments(wide, 300, channels);
      for (let c = 0; c < channels; c++) {
        expect([found[1 + c], found[1 + channels + c]]).toEqual([alone[1], alone[2]]);
      }
    }
  });

  it.each([
    [0, 0],
    [0, 7],
    [7, 0],
    [1, 1],
    [1, 100],
    [7, 13],
  ])('mergeMoments of %d and %d rows are the moments of all', (rowsA, rowsB) => {
    const channels = 5;
    const x = testValues((rowsA + rowsB) * channels).map((v, i) => v + (i % channels) * 1000);
    const split = rowsA * channels;
    for (const into of ['a', 'b', 'new'] as const) {
      const aPtr = fixture.place(moments(x.slice(0, split), rowsA, channels));
      const bPtr = fixture.place(moments(x.slice(split), rowsB, channels));
      const dstPtr = { a: aPtr, b: bPtr, new: fixture.reserve(1 + 2 * channels, 8) }[into];
      kernels.mergeMoments(dstPtr, aPtr, bPtr, channels);
      const found = fixture.f64(dstPtr, 1 + 2 * channels);
      expect(found[0]).toBe(rowsA + rowsB);
      for (let c = 0; c < channels; c++) {
        const [a, b] = [x.slice(0, split), x.slice(split)].map((part) =>
          momentsRef(columnOf(part, channels, c)),
        );
        const { mean, m2 } = mergeMomentsRef([a!, b!]);
        const whole = momentsRef(columnOf(x, channels, c));
        expectNear([found[1 + c]!, found[1 + channels + c]!], [mean, m2], 1e4);
        expectNear([whole.mean, whole.m2], [mean, m2], 1e4);
      }
    }
  });

  /** Forward and backward of one set of rows through all batch norm kernels. */
  function batchNorm(x: Float32Array, dy: Float32Array, channels: number, affine: Affine) {
    const rows = x.length / channels;
    const [weightPtr, biasPtr] = placeAffine(affine);
    const vectorPtr = fixture.place(moments(x, rows, channels));
    const coefficientsPtr = fixture.reserve(4 * channels, 8);
    const meanPtr = vectorPtr + 8;
    const m2Ptr = meanPtr + channels * 8;
    kernels.batchNormCoefficients(
      meanPtr,
      m2Ptr,
      vectorPtr,
      channels,
      EPS,
      weightPtr,
      biasPtr,
      coefficientsPtr,
    );
    const [xPtr, dyPtr] = [fixture.place(x), fixture.place(dy)];
    const [yPtr, dxPtr] = [fixture.reserve(x.length), fixture.reserve(x.length)];
    kernels.normalizeF32(xPtr, yPtr, rows, channels, coefficientsPtr);
    const sumsPtr = fixture.reserve(2 * channels, 8);
    const gradLength = gradCoefficientsLength(channels);
    const gradPtr = fixture.reserve(gradLength, 8);
    kernels.normGradSumsF32(xPtr, dyPtr, rows, channels, coefficientsPtr, gradPtr, sumsPtr);
    kernels.batchNormGradCoefficients(sumsPtr, vectorPtr, channels, coefficientsPtr, gradPtr);
    expect(fixture.f64(gradPtr, gradLength + 1)[gradLength]).toBeNaN();
    kernels.normInputGradF32(xPtr, dyPtr, dxPtr, rows, channels, gradPtr);
    expect(fixture.f32(yPtr, x.length + 1)[x.length]).toBeNaN();
    expect(fixture.f32(dxPtr, x.length + 1)[x.length]).toBeNaN();
    return {
      y: fixture.f32(yPtr, x.length).slice(),
      dx: fixture.f32(dxPtr, x.length).slice(),
      sums: fixture.f64(sumsPtr, 2 * channels).slice(),
    };
  }

  type Affine = { readonly weight: Float32Array; readonly bias: Float32Array } | undefined;
  const affineOf = (length: number): Affine => ({
    weight: testValues(length, 1, 5).map((v) => v + 1.5),
    bias: testValues(length, 1, 6),
  });
  const placeAffine = (affine: Affine): readonly [number, number] =>
    affine === undefined ? [0, 0] : [fixture.place(affine.weight), fixture.place(affine.bias)];

  function expectNorm(
    found: { y: Float32Array; dx: Float32Array; sums: Float64Array },
    inputs: { x: Float32Array; dy: Float32Array },
    sets: NormSetsRef,
    affine: Affine,
  ): void {
    const { x, dy } = inputs;
    const exact = normalizeGradRef(x, dy, sets, { eps: EPS, ...affine });
    expect(worstUlps(found.y, normalizeRef(x, sets, { eps: EPS, ...affine }))).toBeLessThanOrEqual(
      ALLOWED_ULPS,
    );
    expect(worstUlps(found.dx, exact.dx)).toBeLessThanOrEqual(ALLOWED_GRAD_ULPS);
    // With long sums and many channels, the size of a sum is not a measure of its error.
    const rows = x.length / (found.sums.length / 2);
    const tolerance = rows < TREE_ROWS ? FLOAT64_TOLERANCE : TREE_TOLERANCE;
    expectNear(found.sums, [...exact.dbias, ...exact.dweight], rows, tolerance);
  }

  it.each(GRID.filter(([rows]) => rows > 1))(
    'batch normalization equals its twin, %d rows of %d channels',
    (rows, channels) => {
      const x = testValues(rows * channels);
      const dy = testValues(rows * channels, 1, 3);
      const sets = batchNormSetsRef(channels, [rows]);
      for (const affine of [undefined, affineOf(channels)]) {
        expectNorm(batchNorm(x, dy, channels, affine), { x, dy }, sets, affine);
      }
    },
  );

  it('batch normalization is exact if the mean is a million times the deviation', () => {
    const [rows, channels] = [256, 5];
    const x = testValues(rows * channels, 1.75).map((v) => v + MEAN_OF_A_MILLION);
    const dy = testValues(rows * channels, 1, 3);
    const affine = affineOf(channels);
    const found = batchNorm(x, dy, channels, affine);
    // Deviations of x / 10^6 are known to 1e-10 only.
    const sets = batchNormSetsRef(channels, [rows]);
    const exact = normalizeGradRef(x, dy, sets, { eps: EPS, ...affine });
    const y = normalizeRef(x, sets, { eps: EPS, ...affine });
    expect(worstUlps(found.y, y)).toBeLessThanOrEqual(ALLOWED_ULPS);
    expect(worstUlps(found.dx, exact.dx)).toBeLessThanOrEqual(ALLOWED_GRAD_ULPS);
  });

  it.each([
    [1, 2, 1],
    [1, 6, 3],
    [7, 8, 1],
    [7, 8, 4],
    [50, 13, 13],
    [1000, 32, 8],
  ])(
    'group normalization equals its twin, %d rows of %d channels in %d groups',
    (rows, channels, groups) => {
      const x = testValues(rows * channels);
      const dy = testValues(rows * channels, 1, 3);
      const sets = groupNormSetsRef(1, rows, channels, groups);
      for (const affine of [undefined, affineOf(channels)]) {
        const [weightPtr, biasPtr] = placeAffine(affine);
        const vectorPtr = fixture.place(moments(x, rows, channels));
        const coefficientsPtr = fixture.reserve(4 * channels, 8);
        const shape = [channels, groups] as const;
        kernels.groupNormCoefficients(
          vectorPtr,
          ...shape,
          EPS,
          weightPtr,
          biasPtr,
          coefficientsPtr,
        );
        const [xPtr, dyPtr] = [fixture.place(x), fixture.place(dy)];
        const [yPtr, dxPtr] = [fixture.reserve(x.length), fixture.reserve(x.length)];
        kernels.normalizeF32(xPtr, yPtr, rows, channels, coefficientsPtr);
        const sumsPtr = fixture.reserve(2 * channels, 8);
        const gradPtr = fixture.reserve(gradCoefficientsLength(channels), 8);
        kernels.normGradSumsF32(xPtr, dyPtr, rows, channels, coefficientsPtr, gradPtr, sumsPtr);
        kernels.groupNormGradCoefficients(
          sumsPtr,
          rows,
          channels,
          groups,
          weightPtr,
          coefficientsPtr,
          gradPtr,
        );
        kernels.normInputGradF32(xPtr, dyPtr, dxPtr, rows, channels, gradPtr);
        const sums = fixture.f64(sumsPtr, 2 * channels);
        const found = { y: fixture.f32(yPtr, x.length), dx: fixture.f32(dxPtr, x.length), sums };
        expectNorm(found, { x, dy }, sets, affine);
      }
    },
  );

  it.each([1, 3, 4, 13, 1000])('layer normalization equals its twin, %d elements', (length) => {
    const x = testValues(length);
    const dy = testValues(length, 1, 3);
    const sets = layerNormSetsRef(1, length);
    for (const affine of [undefined, affineOf(length)]) {
      const [weightPtr, biasPtr] = placeAffine(affine);
      const statisticsPtr = fixture.reserve(2, 8);
      const [xPtr, dyPtr] = [fixture.place(x), fixture.place(dy)];
      const [yPtr, dxPtr] = [fixture.reserve(length), fixture.reserve(length)];
      kernels.layerNormF32(xPtr, yPtr, length, EPS, weightPtr, biasPtr, statisticsPtr);
      const zeros = new Float64Array(length);
      const gradPtrs = [fixture.place(zeros), fixture.place(zeros)] as const;
      const [weightGradPtr, biasGradPtr] = gradPtrs;
      kernels.layerNormGradF32(xPtr, dyPtr, dxPtr, length, weightPtr, statisticsPtr, ...gradPtrs);
      const sums = Float64Array.of(
        ...fixture.f64(biasGradPtr, length),
        ...fixture.f64(weightGradPtr, length),
      );
      const found = { y: fixture.f32(yPtr, length), dx: fixture.f32(dxPtr, length), sums };
      expectNorm(found, { x, dy }, sets, affine);
      // The gradients of the next sample are added.
      kernels.layerNormGradF32(xPtr, dyPtr, 0, length, weightPtr, statisticsPtr, ...gradPtrs);
      expect(fixture.f64(biasGradPtr, length)).toEqual(sums.slice(0, length).map((v) => 2 * v));
    }
  });

  it.each([
    [3, 5],
    [63, 4],
    [129, 13],
    [1003, 19],
  ])(
    'with relu has the bits of separate norm and relu, %d rows of %d channels',
    (rows, channels) => {
      const length = rows * channels;
      const x = testValues(length);
      const dy = testValues(length, 1, 3);
      if (rows > 63) x[5 * channels + 1] = Number.NaN;
      const affine = affineOf(channels);
      const [weightPtr, biasPtr] = placeAffine(affine);
      const vectorPtr = fixture.place(moments(x, rows, channels));
      const coefficientsPtr = fixture.reserve(4 * channels, 8);
      const m2Ptr = vectorPtr + (1 + channels) * 8;
      const places = [weightPtr, biasPtr, coefficientsPtr] as const;
      kernels.batchNormCoefficients(vectorPtr + 8, m2Ptr, vectorPtr, channels, EPS, ...places);
      const [xPtr, dyPtr] = [fixture.place(x), fixture.place(dy)];
      const [yPtr, fusedPtr] = [fixture.reserve(length), fixture.reserve(length)];
      kernels.normalizeF32(xPtr, yPtr, rows, channels, coefficientsPtr);
      kernels.reluF32(yPtr, yPtr, length);
      kernels.normalizeReluF32(xPtr, fusedPtr, rows, channels, coefficientsPtr);
      expect(fixture.f32(fusedPtr, length)).toEqual(fixture.f32(yPtr, length));
      const open = fixture.reserve(length);
      kernels.reluGradF32(dyPtr, yPtr, open, length);
      const results = [false, true].map((isFused) => {
        const sumsPtr = fixture.reserve(2 * channels, 8);
        const gradPtr = fixture.reserve(gradCoefficientsLength(channels), 8);
        const dxPtr = fixture.reserve(length + 1);
        const shape = [rows, channels, coefficientsPtr] as const;
        if (isFused) kernels.normReluGradSumsF32(xPtr, dyPtr, ...shape, gradPtr, sumsPtr);
        else kernels.normGradSumsF32(xPtr, open, ...shape, gradPtr, sumsPtr);
        kernels.batchNormGradCoefficients(sumsPtr, vectorPtr, channels, coefficientsPtr, gradPtr);
        if (isFused) kernels.normReluInputGradF32(xPtr, dyPtr, dxPtr, ...shape, gradPtr);
        else kernels.normInputGradF32(xPtr, open, dxPtr, rows, channels, gradPtr);
        expect(fixture.f32(dxPtr, length + 1)[length]).toBeNaN();
        return [fixture.f64(sumsPtr, 2 * channels).slice(), fixture.f32(dxPtr, length).slice()];
      });
      expect(results[1]).toEqual(results[0]);
    },
  );
});
