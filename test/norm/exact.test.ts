// Promise 1: SyncBN over R replicas equals batch normalization over the concatenated batch.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { type Shape, sizeOf } from '../../src/base/shape.ts';
import {
  batchNormSetsRef,
  normalizeGradRef,
  normalizeRef,
  setMomentsRef,
} from '../../src/kernels/reference/norm.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { MODES, testValues } from '../support/kernelFixture.ts';
import { type LayerResult, type LayerRun, runLayer, worstUlps } from '../support/layers/harness.ts';

const ALLOWED_ULPS = 2;
const EPS = 1e-5;
const MOMENTUM = 0.1;

/** Shards of R = 1, 2, 3 and 8 replicas: even, uneven, with empty ones, one sample each. */
const SHARDINGS: readonly (readonly number[])[] = [
  [8],
  [4, 4],
  [7, 1],
  [8, 0],
  [3, 3, 2],
  [4, 4, 0],
  [1, 6, 1],
  [1, 1, 1, 1, 1, 1, 1, 1],
  [2, 2, 2, 2, 0, 0, 0, 0],
  [2, 1, 1, 1, 1, 1, 1, 0],
];

const SHAPES: readonly Shape[] = [[4, 5, 13], [3, 3, 1], [1, 1, 6], [513]];

interface Data {
  readonly name: string;
  /** Turns uniform numbers in [-1.7, 1.7), of variance 1, into inputs. */
  readonly transform: (value: number, channel: number) => number;
}

const MILLION = 1e6;
const DATA: readonly Data[] = [
  { name: 'mean 0', transform: (value) => value },
  { name: 'mean 10^3', transform: (value, c) => value + (c % 2 === 0 ? 1e3 : -1e3) },
  {
    name: 'mean 10^6 deviations',
    transform: (value, c) => value + (c % 2 === 0 ? MILLION : -MILLION),
  },
  { name: 'tiny numbers', transform: (value) => value * 1e-6 },
  { name: 'an outlier in front', transform: (value, c) => (c === 0 ? value ** 9 * 1e4 : value) },
];

function makeRun(
  shape: Shape,
  data: Data,
  shards: readonly number[],
): LayerRun & { dy: Float32Array } {
  const channels = shape[shape.length - 1]!;
  const samples = shards.reduce((sum, count) => sum + count, 0);
  const length = samples * sizeOf(shape);
  return {
    spec: batchNorm(channels, { sync: 'all', eps: EPS, momentum: MOMENTUM }),
    inputShape: shape,
    shards,
    x: testValues(length, 1.7, 3).map((value, i) => data.transform(value, i % channels)),
    dy: testValues(length, 1, 4),
    parameters: {
      'batchNorm.weight': testValues(channels, 1, 5).map((value) => value + 1.5),
      'batchNorm.bias': testValues(channels, 1, 6),
    },
    buffers: {
      'batchNorm.runningMean': Float64Array.from(testValues(channels, 1, 7)),
      'batchNorm.runningVar': Float64Array.from(testValues(channels, 1, 8), (v) => v + 1.5),
    },
  };
}

/** Batch normalization over the whole batch, in float64. */
function exactly(run: LayerRun & { dy: Float32Array }): Readonly<Record<string, Float64Array>> {
  const channels = run.inputShape[run.inputShape.length - 1]!;
  const sets = batchNormSetsRef(channels, [run.x.length / channels]);
  const weight = run.parameters!['batchNorm.weight']!;
  const affine = { eps: EPS, weight, bias: run.parameters!['batchNorm.bias']! };
  const { dx, dweight, dbias } = normalizeGradRef(run.x, run.dy, sets, affine);
  const moments = setMomentsRef(run.x, sets);
  const updated = (name: string, observed: readonly number[]): Float64Array =>
    Float64Array.from(
      run.buffers![`batchNorm.${name}`]!,
      (value, c) => (1 - MOMENTUM) * value + MOMENTUM * observed[c]!,
    );
  return {
    y: normalizeRef(run.x, sets, affine),
    dx,
    weight: dweight,
    bias: dbias,
    runningMean: updated(
      'runningMean',
      moments.map(({ mean }) => mean),
    ),
    runningVar: updated(
      'runningVar',
      moments.map(({ m2, count }) => m2 / (count - 1)),
    ),
  };
}

function tensorsOf(found: LayerResult): Readonly<Record<string, ArrayLike<number>>> {
  return {
    y: found.y,
    dx: found.dx,
    weight: found.gradients['batchNorm.weight']!,
    bias: found.gradients['batchNorm.bias']!,
    runningMean: found.buffers['batchNorm.runningMean']!,
    runningVar: found.buffers['batchNorm.runningVar']!,
  };
}

describe.each(MODES)('SyncBN over all replicas, %s build', (mode) => {
  describe.each(SHAPES.map((shape) => [shape.join('x'), shape] as const))(
    'of %s',
    (_name, shape) => {
      it.each(DATA.map((data) => [data.name, data] as const))(
        'is within 2 float32 ulp of float64 over the concatenated batch, %s',
        (_title, data) => {
          for (const shards of SHARDINGS) {
            const run = { ...makeRun(shape, data, shards), mode };
            const found = tensorsOf(runLayer(run));
            for (const [name, exact] of Object.entries(exactly(run))) {
              const ulps = worstUlps(found[name]!, exact);
              expect(ulps, `${name} over shards ${shards}`).toBeLessThanOrEqual(ALLOWED_ULPS);
            }
          }
        },
      );
    },
  );

  it('over R replicas matches one replica, for any R', () => {
    for (const data of DATA) {
      const whole = tensorsOf(runLayer({ ...makeRun([4, 5, 13], data, [8]), mode }));
      for (const shards of SHARDINGS) {
        const parts = tensorsOf(runLayer({ ...makeRun([4, 5, 13], data, shards), mode }));
        for (const [name, values] of Object.entries(whole)) {
          expect(worstUlps(parts[name]!, values), name).toBeLessThanOrEqual(1);
        }
      }
    }
  });
});

describe('SyncBN over groups', () => {
  it.each([2, 3, 5])('of %d replicas is a batch normalization of each group by itself', (size) => {
    const shards = [3, 2, 2, 2, 2, 2, 1, 0];
    const shape = [2, 3, 5];
    const run = makeRun(shape, DATA[1]!, shards);
    const found = runLayer({ ...run, spec: batchNorm(5, { sync: size }) });
    let sample = 0;
    for (let lo = 0; lo < shards.length; lo += size) {
      const group = shards.slice(lo, lo + size);
      const count = group.reduce((sum, n) => sum + n, 0);
      const of = (values: Float32Array): Float32Array =>
        values.slice(sample * sizeOf(shape), (sample + count) * sizeOf(shape));
      const alone = exactly({ ...run, x: of(run.x), dy: of(run.dy), shards: group });
      expect(worstUlps(of(found.y), alone.y!)).toBeLessThanOrEqual(ALLOWED_ULPS);
      expect(worstUlps(of(found.dx), alone.dx!)).toBeLessThanOrEqual(ALLOWED_ULPS);
      sample += count;
    }
  });

  it('with one value per channel has no variance; the error says so and names groupNorm', () => {
    const run = makeRun([1, 1, 6], DATA[0]!, [1, 0, 0]);
    expect(() => runLayer(run)).toThrow(UsageError);
    expect(() => runLayer(run)).toThrow(/values per channel .* at least 2.* got 1.*groupNorm/);
    const groups = makeRun([1, 1, 6], DATA[0]!, [1, 1, 1]);
    expect(() => runLayer({ ...groups, spec: batchNorm(6, { sync: 2 }) })).toThrow('groupNorm');
  });
});
