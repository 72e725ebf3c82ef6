// How the samples of a worker are cut in micro-batches, and what is said where they do not fit.

import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool } from '../../src/nn/specs/pools.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import type { RunConfig } from '../../src/plan/config.ts';
import { planRun } from '../../src/plan/plan.ts';
import { microBatchRanges } from '../../src/reduce/grains.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const data = synthetic({ train: 64, test: 1, shape: [16, 16, 3], classes: 3 });
const deep = sequential([
  ...Array.from({ length: 6 }, (_, i) => [
    conv2d(i === 0 ? 3 : 16, 16, { kernel: 3, padding: 1 }),
    batchNorm(16, { sync: 'all' }),
  ]).flat(),
  globalAvgPool(),
  linear(16, 3),
]);
const base = { model: deep, data, optimizer: sgd({ lr: 0.1 }), globalBatch: 64, workers: 1 };

const configOf = (change: Partial<TrainerOptions> = {}): RunConfig =>
  resolveOptions({ ...base, ...change });

describe('micro-batches', () => {
  it.each([
    [{ count: 8, shards: 1 }, 3, [3, 3, 2]],
    [{ count: 8, shards: 1 }, 20, [1, 1, 1, 1, 1, 1, 1, 1]],
    // Whole replicas, where there are enough.
    [{ count: 8, shards: 4 }, 3, [4, 2, 2]],
    [{ count: 8, shards: 4 }, 5, [2, 2, 2, 1, 1]],
  ] as const)('of %o in %d parts have %o grains', (cut, parts, grains) => {
    const ranges = microBatchRanges(cut, { lo: 0, hi: 8 }, parts);
    expect(ranges.map(({ lo, hi }) => hi - lo)).toEqual(grains);
    expect(ranges[0]!.lo).toBe(0);
    for (const [i, { lo }] of ranges.slice(1).entries()) expect(lo).toBe(ranges[i]!.hi);
  });

  it('are no more than the grains', () => {
    expect(() => configOf({ microBatches: 17 })).toThrow(
      /microBatches: expected at most the 16 grains .* of 64.*got 17.*microBatches: 16/,
    );
  });

  it('fit into an arena by parking, with less arena the more is parked', () => {
    const whole = planRun(configOf());
    expect(whole.parkedBytes).toBe(0);
    let before = whole.layout.sizeBytes;
    for (const share of [0.8, 0.6, 0.4]) {
      const arenaBytes = share * whole.layout.sizeBytes;
      const plan = planRun({ ...configOf({ microBatches: 8 }), arenaBytes });
      expect(plan.layout.sizeBytes).toBeLessThanOrEqual(arenaBytes);
      expect(plan.layout.sizeBytes).toBeLessThan(before);
      expect(plan.parkedBytes).toBeGreaterThan(0);
      before = plan.layout.sizeBytes;
    }
  });

  it('are as few as fit if set to auto', () => {
    const whole = planRun(configOf());
    expect(planRun(configOf({ microBatches: 'auto' })).config.microBatches).toBe(1);
    const arenaBytes = 0.4 * whole.layout.sizeBytes;
    const plan = planRun({ ...configOf({ microBatches: 'auto' }), arenaBytes });
    const found = plan.config.microBatches as number;
    expect(found).toBeGreaterThan(1);
    const fewer = planRun({ ...configOf({ microBatches: found - 1 }), arenaBytes });
    expect(fewer.layout.sizeBytes).toBeGreaterThan(arenaBytes);
  });

  it('are named by the error of a batch that does not fit', () => {
    const large = { ...configOf(), globalBatch: 48_000, grains: 64 };
    expect(() => planRun(large)).toThrow(
      /rank 0\.activations.*Try: microBatches: \d+, with which the arena has 4\.\d+ GB and \d/,
    );
    const { layout } = planRun({ ...large, microBatches: 'auto' });
    expect(layout.sizeBytes).toBeLessThan(2 ** 32);
  });
});
