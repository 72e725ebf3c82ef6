import { describe, expect, it } from 'vitest';
import {
  batchNormSetsRef,
  normalizeGradRef,
  normalizeRef,
  setMomentsRef,
} from '../../src/kernels/reference/norm.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import type { BatchCase, BatchFinding } from '../support/direct/job.ts';
import { onRanks } from '../support/direct/threads.ts';
import { testValues } from '../support/kernelFixture.ts';
import { runLayer, worstUlps } from '../support/layers/harness.ts';

const EPS = 1e-5;
const MOMENTUM = 0.1;
const OUTPUT_ULPS = 2;
const GRADIENT_ULPS = 4;

/** Rows of each rank: even, uneven, with empty ranks. */
const ROWS: Readonly<Record<number, readonly (readonly number[])[]>> = {
  1: [[60]],
  2: [
    [30, 30],
    [59, 1],
    [0, 60],
  ],
  3: [
    [20, 20, 20],
    [1, 58, 1],
    [33, 0, 27],
  ],
  5: [
    [12, 12, 12, 12, 12],
    [0, 7, 0, 52, 1],
  ],
};

/** Turns uniform numbers in [-1.7, 1.7), of variance 1, into inputs. */
const DATA: readonly ((value: number, channel: number) => number)[] = [
  (value) => value,
  (value, c) => value + (c % 2 === 0 ? 1e6 : -1e6),
];

function makeCase(channels: number, rows: readonly number[], data = DATA[0]!): BatchCase {
  const length = channels * rows.reduce((sum, count) => sum + count, 0);
  return {
    channels,
    rows,
    x: testValues(length, 1.7, 3).map((value, i) => data(value, i % channels)),
    dy: testValues(length, 1, 4),
    weight: testValues(channels, 1, 5).map((value) => value + 1.5),
    bias: testValues(channels, 1, 6),
    runningMean: Float64Array.from(testValues(channels, 1, 7)),
    runningVar: Float64Array.from(testValues(channels, 1, 8), (value) => value + 1.5),
  };
}

/** The formulas over the whole batch, in float64. */
function exactly(given: BatchCase) {
  const { channels, x, dy, weight, bias, momentum } = given;
  const sets = batchNormSetsRef(channels, [x.length / channels]);
  const affine = { eps: EPS, weight, bias };
  const moments = setMomentsRef(x, sets);
  const factor = momentum === null ? 1 : MOMENTUM;
  const updated = (from: Float64Array, observed: (c: number) => number): Float64Array =>
    from.map((value, c) => (1 - factor) * value + factor * observed(c));
  const runningMean = updated(given.runningMean!, (c) => moments[c]!.mean);
  const runningVar = updated(given.runningVar!, (c) => moments[c]!.m2 / (moments[c]!.count - 1));
  const evaluated = Float64Array.from(x, (value, i) => {
    const c = i % channels;
    const xhat = (value - runningMean[c]!) / Math.sqrt(runningVar[c]! + EPS);
    return xhat * (weight?.[c] ?? 1) + (bias?.[c] ?? 0);
  });
  const { dx, dweight, dbias } = normalizeGradRef(x, dy, sets, affine);
  const y = normalizeRef(x, sets, affine);
  return { y, evaluated, dx, dweight, dbias, runningMean, runningVar };
}

function joined(found: readonly BatchFinding[], name: 'y' | 'dx' | 'evaluated'): Float32Array {
  return Float32Array.from(found.flatMap((rank) => [...rank[name]]));
}

function summed(found: readonly BatchFinding[], name: 'weightGrad' | 'biasGrad'): Float64Array {
  return found.reduce(
    (sums, rank) => sums.map((sum, c) => sum + rank[name][c]!),
    new Float64Array(found[0]![name].length),
  );
}

/** Checks what all ranks have found against the formulas. */
function expectExact(given: BatchCase, found: readonly BatchFinding[], title: string): void {
  const exact = exactly(given);
  const [first] = found as [BatchFinding];
  for (const name of ['y', 'evaluated'] as const) {
    expect(worstUlps(joined(found, name), exact[name]), `${name}, ${title}`).toBeLessThanOrEqual(
      OUTPUT_ULPS,
    );
  }
  for (const name of ['runningMean', 'runningVar'] as const) {
    expect(worstUlps(first[name], exact[name]), `${name}, ${title}`).toBeLessThanOrEqual(
      OUTPUT_ULPS,
    );
    for (const rank of found) expect(rank[name]).toEqual(first[name]);
  }
  const gradients = [
    [joined(found, 'dx'), exact.dx],
    [summed(found, 'weightGrad'), exact.dweight],
    [summed(found, 'biasGrad'), exact.dbias],
  ] as const;
  for (const [gradient, expected] of gradients) {
    expect(worstUlps(gradient, expected), title).toBeLessThanOrEqual(GRADIENT_ULPS);
  }
}

/** What each rank found in each case becomes what all ranks found, case by case. */
function byCase(results: readonly BatchFinding[][]): BatchFinding[][] {
  return results[0]!.map((_, i) => results.map((rank) => rank[i]!));
}

const CHANNELS = [1, 13, 513];

describe('batchNorm inside launch', () => {
  it.each([1, 2, 3, 5])('is that of the whole batch on %d ranks', async (workers) => {
    const cases = CHANNELS.flatMap((channels) =>
      DATA.flatMap((data) =>
        ROWS[workers]!.flatMap((rows) =>
          [false, true].map((isShared) => ({ ...makeCase(channels, rows, data), isShared })),
        ),
      ),
    );
    const found = byCase(await onRanks<BatchFinding[]>(workers, 'batches', { cases }));
    for (const [i, given] of cases.entries()) {
      const { channels, rows, isShared } = given;
      const title = `${channels} channels, rows ${rows}, shared ${isShared}`;
      expectExact(given, found[i]!, title);
    }
  });

  it('has the bits of a trainer with one replica per rank', async () => {
    for (const workers of [2, 3, 5]) {
      const cases = ROWS[workers]!.map((rows) => makeCase(13, rows, DATA[1]));
      const found = byCase(await onRanks<BatchFinding[]>(workers, 'batches', { cases }));
      for (const [i, given] of cases.entries()) {
        const layer = runLayer({
          spec: batchNorm(13, { sync: 'all' }),
          inputShape: [13],
          shards: given.rows,
          x: given.x,
          dy: given.dy,
          parameters: { 'batchNorm.weight': given.weight!, 'batchNorm.bias': given.bias! },
          buffers: {
            'batchNorm.runningMean': given.runningMean!,
            'batchNorm.runningVar': given.runningVar!,
          },
        });
        expect(joined(found[i]!, 'y')).toEqual(layer.y);
        expect(joined(found[i]!, 'dx')).toEqual(layer.dx);
        for (const { runningMean, runningVar } of found[i]!) {
          expect(runningMean).toEqual(layer.buffers['batchNorm.runningMean']);
          expect(runningVar).toEqual(layer.buffers['batchNorm.runningVar']);
        }
      }
    }
  });

  it('of many ranks is that of one within 1 ulp', async () => {
    const alone = await onRanks<BatchFinding[]>(1, 'batches', { cases: [makeCase(13, [60])] });
    for (const rows of ROWS[3]!) {
      const cases = [makeCase(13, rows)];
      const found = byCase(await onRanks<BatchFinding[]>(3, 'batches', { cases }))[0]!;
      for (const name of ['y', 'dx'] as const) {
        expect(worstUlps(joined(found, name), alone[0]![0]![name])).toBeLessThanOrEqual(1);
      }
    }
  });

  it('exchanges once in forward, once in backward, and never in evaluation', async () => {
    const cases = [makeCase(7, [4, 0, 9])];
    for (const found of await onRanks<BatchFinding[]>(3, 'batches', { cases })) {
      // forward, evaluate, parameterGradients, backward
      expect(found[0]!.calls).toEqual([1, 0, 0, 1]);
    }
  });

  it('works without weight and bias, and averages all batches without momentum', async () => {
    const { weight: _, bias: __, ...plain } = makeCase(6, [5, 3]);
    const given = { ...plain, momentum: null };
    const found = byCase(await onRanks<BatchFinding[]>(2, 'batches', { cases: [given] }))[0]!;
    expectExact(given, found, 'plain');
    expect(found.map(({ updates }) => updates)).toEqual([1, 1]);
  });

  it('synchronizes over the groups of a split, side by side', async () => {
    const cases = [makeCase(13, [10, 0, 7], DATA[1]), makeCase(5, [1, 3])];
    type Half = BatchFinding & { readonly worldCalls: number };
    const found = await onRanks<Half>(5, 'halves', { cases });
    for (const [color, given] of cases.entries()) {
      const half = found.filter((_, rank) => rank % 2 === color);
      expectExact(given, half, `color ${color}`);
    }
    // The split alone.
    expect(found.map(({ worldCalls }) => worldCalls)).toEqual([1, 1, 1, 1, 1]);
  });

  it('keeps saved values separate by layer and call, and can reuse them', async () => {
    const cases = [makeCase(13, [9, 2], DATA[1]), makeCase(4, [0, 5]), makeCase(13, [3, 3])];
    interface Interleaved {
      readonly dxs: readonly Float32Array[];
      readonly sites: readonly { readonly call: string; readonly calls: number }[];
    }
    const found = await onRanks<Interleaved>(2, 'interleaved', { cases });
    const order = [cases[2]!, cases[1]!, cases[0]!, cases[0]!];
    for (const [i, given] of order.entries()) {
      const dx = Float32Array.from(found.flatMap(({ dxs }) => [...dxs[i]!]));
      expect(worstUlps(dx, exactly(given).dx)).toBeLessThanOrEqual(GRADIENT_ULPS);
    }
    expect(found[0]!.dxs[3]).toEqual(found[0]!.dxs[2]);
    expect(found[1]!.sites.toSorted((a, b) => (a.call < b.call ? -1 : 1))).toEqual([
      { call: 'allGather(float64) "a backward"', calls: 3 },
      { call: 'allGather(float64) "a forward"', calls: 2 },
      { call: 'allGather(float64) "b backward"', calls: 1 },
      { call: 'allGather(float64) "b forward"', calls: 1 },
    ]);
  });

  it('takes no more memory of the group after it has been made, up to maxRows', async () => {
    const [places] = await onRanks<number[]>(1, 'steps');
    expect(places).toEqual(Array(10).fill(places![0]));
  });
});

describe('batchNorm inside launch refuses', () => {
  it('one row in the whole group, on all ranks, and continues with the next', async () => {
    interface OneRow {
      readonly message: string;
      readonly y: Float32Array;
      readonly count: number;
      readonly dx: Float32Array;
      readonly updates: number;
    }
    const found = await onRanks<OneRow>(2, 'oneRow');
    for (const [rank, { message, y, count, dx, updates }] of found.entries()) {
      expect(message).toMatch(
        /^UsageError: values per channel .* stem: expected .*, got 1.*groupNorm/,
      );
      const sign = rank === 0 ? -1 : 1;
      expect(y[0]! * sign).toBeCloseTo(0.5 / Math.sqrt(0.25 + EPS), 6);
      // A batch without rows changes nothing.
      expect([count, dx.length, updates]).toEqual([0, 0, 1]);
    }
  });

  it('an invalid array or option, saying what was given', async () => {
    const [messages] = await onRanks<string[]>(1, 'errors');
    const expected = [
      /the length of the input of bn1: expected a multiple of 3, its channels.*, got 7/,
      /the rows of the input of bn1: expected at most 4, its maxRows.*, got 5/,
      /the input of bn1: expected a Float32Array.*, got "\[object Float64Array\]"/,
      /the length of the weight of bn1: expected 3.*, got 2/,
      /the length of the bias of bn1: expected 3.*, got 4/,
      /y of bn1: expected an array that does not overlap.*, got "memory of an input"/,
      /the length of y of bn1: expected 6.*, got 3/,
      /y of bn1: expected .*, got "memory of an input"/,
      /saved in backward of bn1: expected .*, got "one from another norm, or a copy"/,
      /saved in backward of bn1/,
      /the length of the output's gradient of bn1: expected 6.*, got 9/,
      /dx of bn1: expected .*, got "memory of an input"/,
      /saved in backward of bn1/,
      /the length of dx in doubleBackward of bn1: expected 6.*, got 3/,
      /doubleBackward of bn1 weightGrad: .*a Float64Array/,
      /the length of biasGrad in doubleBackward of bn1: expected 3.*, got 6/,
      /batchNorm channels: expected .*, got 0/,
      /batchNorm momentum: expected .*, got 2/,
      /maxRows: expected .*, got -1/,
      /groupNorm numGroups for 3 channels: expected a divisor of 3.*, got 2/,
      /instanceNorm rowsPerSample: expected .*, got undefined/,
      /the input of groupNorm: expected a multiple of 12, its rowsPerSample x channels.*, got 18/,
      /the input of ln: expected a multiple of 6, its normalizedShape.*, got 5/,
      /the group of normsFor: expected .*, got "one without shared memory"/,
    ];
    expect(messages).toHaveLength(expected.length);
    for (const [i, message] of messages!.entries()) {
      expect(message).toMatch(/^UsageError/);
      expect(message).toMatch(expected[i]!);
    }
  });
});
