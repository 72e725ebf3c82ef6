import { describe, expect, it } from 'vitest';
import type { DoubleCase, DoubleFinding } from '../support/direct/job.ts';
import { onRanks } from '../support/direct/threads.ts';
import { loadGoldenDoubleBackwards } from '../support/golden/load.ts';
import { testValues } from '../support/kernelFixture.ts';
import { worstUlps } from '../support/layers/harness.ts';

const EPS = 1e-5;
const GRADIENT_ULPS = 4;

/** Everything that backward depends on, for the whole batch. */
interface Batch {
  readonly x: Float64Array;
  readonly dy: Float64Array;
  readonly weight: Float64Array;
}

/** What each rank found in one case, as one: rows side by side, own sums added up. */
function joined(found: readonly DoubleFinding[]) {
  const rows = (name: 'dyGrad' | 'xGrad') =>
    Float32Array.from(found.flatMap((rank) => [...rank[name]]));
  const weightGrad = found.reduce(
    (sums, rank) => sums.map((sum, c) => sum + rank.weightGrad[c]!),
    new Float64Array(found[0]!.weightGrad.length),
  );
  return { dyGrad: rows('dyGrad'), xGrad: rows('xGrad'), weightGrad };
}

async function onAll(workers: number, cases: readonly DoubleCase[]) {
  const results = await onRanks<DoubleFinding[]>(workers, 'doubles', { cases });
  return cases.map((_, i) => results.map((rank) => rank[i]!));
}

describe('doubleBackward', () => {
  it.each([1, 2, 3])('is that of PyTorch over all rows on %d ranks', async (workers) => {
    const { eps, runs } = loadGoldenDoubleBackwards();
    expect(eps).toBe(EPS);
    const cases = runs.map(({ inputs, given }): DoubleCase => {
      const { x, dy, weight, bias } = inputs;
      const [count, channels] = x!.shape as [number, number];
      const { dx, weightGrad, biasGrad } = given;
      const first = workers === 1 ? count : 2;
      const rows = [first, count - first, 0].slice(0, workers);
      const q = weightGrad && Float64Array.from(weightGrad.data);
      return {
        ...{ channels, rows, x: x!.data, dy: dy!.data, weight: weight!.data, bias: bias!.data },
        ...(dx && { ddx: dx.data }),
        ...(q && { weightGrads: rows.map(() => q) }),
        ...(biasGrad && { biasGrad: Float64Array.from(biasGrad.data) }),
      };
    });
    for (const [i, found] of (await onAll(workers, cases)).entries()) {
      const { name, expected } = runs[i]!;
      const all = joined(found);
      for (const key of ['dyGrad', 'xGrad', 'weightGrad'] as const) {
        const exact = Float64Array.from(expected[key]!.data);
        const ulps = worstUlps(all[key], exact);
        expect(ulps, `${key} of ${name}`).toBeLessThanOrEqual(GRADIENT_ULPS);
      }
      expect(found.map(({ calls }) => calls)).toEqual(rows(workers, 1));
    }
  });

  it('agrees with finite differences if the ranks weigh their sums differently', async () => {
    const channels = 2;
    const given: DoubleCase = {
      ...{ channels, rows: [4, 0, 3], x: testValues(14, 1.7, 3), dy: testValues(14, 1, 4) },
      weight: testValues(2, 1, 5).map((value) => value + 1.5),
      ddx: testValues(14, 1, 6),
      weightGrads: [7, 8, 9].map((seed) => Float64Array.from(testValues(2, 1, seed))),
      biasGrad: Float64Array.of(0.5, -2),
    };
    const { dyGrad, xGrad, weightGrad } = joined((await onAll(3, [given]))[0]!);
    const batch = {
      x: Float64Array.from(given.x),
      dy: Float64Array.from(given.dy),
      weight: Float64Array.from(given.weight!),
    };
    const found = { dy: dyGrad, x: xGrad, weight: weightGrad };
    for (const name of ['dy', 'x', 'weight'] as const) {
      for (let i = 0; i < batch[name].length; i++) {
        const difference =
          (lossOf(given, moved(batch, name, i, 1e-5)) -
            lossOf(given, moved(batch, name, i, -1e-5))) /
          2e-5;
        expect(found[name][i], `${name}[${i}]`).toBeCloseTo(difference, 5);
      }
    }
  });

  it('keeps its digits if the mean is a million deviations away', async () => {
    const near = {
      channels: 1,
      rows: [20, 10],
      dy: testValues(30, 1, 4),
      ddx: testValues(30, 1, 6),
    };
    // Multiples of 1/8, which a million and a float32 can hold.
    const x = testValues(30, 1.7, 3).map((value) => Math.round(value * 8) / 8);
    const far = { ...near, x: x.map((value) => value + 1e6) };
    const [there, here] = (await onAll(2, [far, { ...near, x }])).map(joined);
    for (const key of ['dyGrad', 'xGrad'] as const) {
      expect(worstUlps(there![key], Float64Array.from(here![key]))).toBeLessThanOrEqual(1);
    }
  });
});

function rows(workers: number, value: number): number[] {
  return Array.from({ length: workers }, () => value);
}

function moved(batch: Batch, name: keyof Batch, index: number, by: number): Batch {
  return { ...batch, [name]: batch[name].map((value, i) => (i === index ? value + by : value)) };
}

/** The loss with the given gradients, from the formulas of backward in float64. */
function lossOf(given: DoubleCase, { x, dy, weight }: Batch): number {
  const { channels, ddx, weightGrads, biasGrad } = given;
  const count = x.length / channels;
  const ranks = given.rows.flatMap((length, rank) => rows(length, rank));
  let loss = 0;
  for (let c = 0; c < channels; c++) {
    const column = (of: ArrayLike<number>) =>
      Array.from({ length: count }, (_, row) => of[row * channels + c]!);
    const mean = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / count;
    const [xs, g, u] = [column(x), column(dy), column(ddx!)];
    const center = mean(xs);
    const s = 1 / Math.sqrt(mean(xs.map((value) => (value - center) ** 2)) + EPS);
    const xhat = xs.map((value) => (value - center) * s);
    const gMean = mean(g);
    const gXMean = mean(g.map((value, row) => value * xhat[row]!));
    for (let row = 0; row < count; row++) {
      const dx = weight[c]! * s * (g[row]! - gMean - xhat[row]! * gXMean);
      loss += u[row]! * dx + weightGrads![ranks[row]!]![c]! * g[row]! * xhat[row]!;
      loss += biasGrad![c]! * g[row]!;
    }
  }
  return loss;
}
