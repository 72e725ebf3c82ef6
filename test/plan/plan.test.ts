// The plan of a run, from its config alone: where regions lie, what is shared, what each worker
// has, and which reductions there are. Nothing is allocated and no thread starts.

import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import type { Region } from '../../src/memory/layout.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import type { NormRequest } from '../../src/nn/convert/normRequest.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { adam } from '../../src/optim/optimizer.ts';
import { reductionName } from '../../src/plan/declaredReductions.ts';
import type { GradientPart } from '../../src/plan/gradients.ts';
import { planRun, type RunPlan } from '../../src/plan/plan.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const ALIGN_BYTES = 128;
const WORKERS = [1, 2, 3, 4];
const BATCH = 22;

const data = synthetic({ train: 50, test: 9, shape: [8, 8, 2], classes: 3 });
const net = namedModel('mnist-cnn', { inputShape: data.inputShape, classes: 3 });
const base = { model: net, data, optimizer: adam(), replicas: 4, globalBatch: BATCH } as const;

function planOf(change: Partial<TrainerOptions> = {}): RunPlan {
  return planRun(resolveOptions({ ...base, ...change }));
}

/** The net with these norms, with everything on that takes memory. */
function planWith(norm: NormRequest, change: Partial<TrainerOptions> = {}): RunPlan {
  const model = convertNorm(net, norm);
  return planOf({ model, diagnosticsEvery: 2, profile: true, clipNorm: 1, ...change });
}

const NORMS: readonly (readonly [string, NormRequest])[] = [
  ['SyncBN', { to: 'sync' }],
  ['SyncBN over groups of 3', { to: 'sync', groupSize: 3 }],
  ['local BN', { to: 'local' }],
  ['group norm', { to: 'group' }],
];
const GRID = NORMS.flatMap(([name, norm]) =>
  WORKERS.map((workers) => [name, workers, norm] as const),
);

const named = ({ layout }: RunPlan, pattern: RegExp): readonly Region[] =>
  layout.regions.filter(({ name }) => pattern.test(name));

describe('the regions of a plan', () => {
  it.each(GRID)(
    'of %s on %d workers are aligned and separated by the slack',
    (_, workers, norm) => {
      const { layout } = planWith(norm, { workers });
      let freeBytes = 1;
      for (const { name, offsetBytes, sizeBytes } of layout.regions) {
        expect(offsetBytes % ALIGN_BYTES, name).toBe(0);
        expect(offsetBytes, name).toBeGreaterThanOrEqual(freeBytes);
        freeBytes = offsetBytes + sizeBytes + ALIGN_BYTES;
      }
      expect(layout.sizeBytes).toBeGreaterThanOrEqual(freeBytes);
      expect(layout.regions.length).toBeGreaterThan(30 + 10 * workers);
    },
  );

  it('are the same for every thread, bit for bit', () => {
    const again = planWith({ to: 'sync' }, { workers: 3 });
    expect(again.layout.regions).toEqual(planWith({ to: 'sync' }, { workers: 3 }).layout.regions);
  });

  it.each(WORKERS)(
    'hold one copy of parameters and state, and no data, on %d workers',
    (workers) => {
      const plan = planOf({ workers });
      const { length, buffersLength } = plan.parameters;
      const shapes = named(
        plan,
        /^(parameters|gradients|optimizer\.state \d|buffers|data\..*)$/,
      ).map(({ name, shape }) => [name, shape] as const);
      expect(shapes.filter(([name]) => !name.startsWith('data.'))).toEqual([
        ['parameters', [length]],
        ['gradients', [length]],
        ['optimizer.state 0', [length]],
        ['optimizer.state 1', [length]],
        ['buffers', [buffersLength]],
      ]);
      // Samples lie outside the arena.
      expect(shapes.filter(([name]) => name.startsWith('data.'))).toEqual([
        ['data.normalization', [4]],
        ['data.order', [50]],
      ]);
      const elements = plan.parameters.entries.reduce((sum, entry) => sum + entry.length, 0);
      expect(length).toBeGreaterThanOrEqual(elements);
      expect(length).toBeLessThan(elements + 32 * plan.parameters.entries.length);
    },
  );

  it.each(NORMS)('of %s do not depend on replicas unless statistics do', (_, norm) => {
    const isLocal = norm.to === 'local' || 'groupSize' in norm;
    const sizes = [1, 4, 13, 300].map((replicas) =>
      planWith(norm, { replicas, workers: 1 })
        .layout.regions.filter(({ name }) => !name.includes('diagnostics'))
        .map(({ name, sizeBytes }) => `${name}: ${sizeBytes}`),
    );
    const [first, ...others] = sizes;
    if (isLocal) expect(others.at(-1)).not.toEqual(first);
    else for (const regions of others) expect(regions).toEqual(first);
  });
});

describe('the workers of a plan', () => {
  it.each(GRID)('divide every sample and grain of %s: %d of them', (_, workers, norm) => {
    for (const batch of [7, BATCH]) {
      const plan = planWith(norm, { workers, globalBatch: batch });
      let grain = 0;
      for (const worker of plan.workers) {
        expect(worker.grains.lo).toBe(grain);
        expect(worker.grains.hi).toBeGreaterThan(grain);
        grain = worker.grains.hi;
        expect(worker.microBatches[0]!.size.countGrains).toBe(worker.grains.hi - worker.grains.lo);
      }
      expect(grain).toBe(plan.grains.cut.count);
      const capacities = plan.workers.map(({ microBatches }) => microBatches[0]!.size.capacity);
      expect(capacities.reduce((sum, capacity) => sum + capacity, 0)).toBe(batch);
    }
  });

  it.each(WORKERS)('publish subtrees that cover every grain once: %d of them', (workers) => {
    const plan = planOf({ workers });
    const [{ nodes }] = plan.gradients.parts as [GradientPart];
    const placed = plan.workers.flatMap((worker) => worker.nodes);
    expect(nodes).toMatchObject(placed.map(({ lo, hi }) => ({ lo, hi })));
    let grain = 0;
    for (const { lo, hi } of nodes) {
      expect(lo).toBe(grain);
      grain = hi;
    }
    expect(grain).toBe(plan.grains.cut.count);
    expect(named(plan, /^gradients\.node .*\.f32$/)).toHaveLength(nodes.length);
  });

  it('cut a batch only by its size if norms are synchronized', () => {
    const cuts = [1, 3, 64].map((replicas) => planWith({ to: 'sync' }, { replicas }).grains.cut);
    // 22 samples: 8 grains.
    for (const cut of cuts) expect(cut).toEqual({ count: 8, shards: 1 });
  });

  it.each([
    [1, [[0, 8]]],
    [
      2,
      [
        [0, 4],
        [4, 8],
      ],
    ],
    [
      3,
      [
        [0, 3],
        [3, 6],
        [6, 8],
      ],
    ],
    [
      4,
      [
        [0, 2],
        [2, 4],
        [4, 6],
        [6, 8],
      ],
    ],
  ])('cut 8 grains of SyncBN for %d workers evenly', (workers, expected) => {
    const plan = planWith({ to: 'sync' }, { workers });
    expect(plan.grains.ranges.map(({ lo, hi }) => [lo, hi])).toEqual(expected);
  });

  it.each([
    [1, [[0, 8]]],
    [
      2,
      [
        [0, 4],
        [4, 8],
      ],
    ],
    [
      3,
      [
        [0, 4],
        [4, 6],
        [6, 8],
      ],
    ],
    [
      4,
      [
        [0, 2],
        [2, 4],
        [4, 6],
        [6, 8],
      ],
    ],
  ])('cut local BN of 4 replicas for %d workers at replicas', (workers, expected) => {
    const plan = planWith({ to: 'local' }, { workers });
    // Two grains to each replica.
    expect(plan.grains.cut).toEqual({ count: 8, shards: 4 });
    expect(plan.grains.ranges.map(({ lo, hi }) => [lo, hi])).toEqual(expected);
  });
});

describe('the reductions of a plan', () => {
  /** What the layers of the model declare, by the names of the plan. */
  function declaredBy({ graph }: RunPlan): string[] {
    return graph.operations.flatMap((operation) => {
      if (operation.op !== 'layer') return [];
      const { kind, spec, input, path } = operation;
      const declared = kind.reductions?.(spec, graph.shapes[input]!) ?? [];
      return declared.map(({ name }) => reductionName(path, name));
    });
  }

  it.each(GRID)('of %s on %d workers are all that layers declare', (name, workers, norm) => {
    const plan = planWith(norm, { workers });
    const declared = declaredBy(plan);
    expect([...plan.reductions.keys()]).toEqual(declared);
    expect(declared.length > 0).toBe(name !== 'group norm');
    for (const [key, reduction] of plan.reductions) {
      expect(reduction.leafPtrs).toHaveLength(plan.grains.cut.count);
      expect(reduction.workers).toHaveLength(workers);
      expect(plan.layout.get(`${key}.grains`).shape[0]).toBe(plan.grains.cut.count);
      // Local statistics stay within a worker while each has whole replicas.
      expect(reduction.needsExchange).toBe(name !== 'local BN' && workers > 1);
    }
  });

  it('are one per norm and pass, with the group sizes that layers request', () => {
    const mixed = sequential([batchNorm(2, { sync: 'all' }), batchNorm(2, { sync: 2 }), net]);
    const { reductions } = planOf({ model: mixed });
    const groups = [...reductions].map(([key, { declared }]) => [key, declared.groupReplicas]);
    expect(groups.slice(0, 4)).toEqual([
      ['0.batchNorm.moments', Number.POSITIVE_INFINITY],
      ['0.batchNorm.sums', Number.POSITIVE_INFINITY],
      ['1.batchNorm.moments', 2],
      ['1.batchNorm.sums', 2],
    ]);
  });
});

describe('the steps of a plan', () => {
  it.each([
    [50, false, 1, 50],
    [22, false, 3, 6],
    [22, true, 2, 22],
    [25, false, 2, 25],
  ])('of 50 samples in batches of %d, dropLast %s', (batch, dropLast, steps, lastBatch) => {
    expect(planOf({ globalBatch: batch, dropLast })).toMatchObject({
      stepsPerEpoch: steps,
      lastBatch,
    });
  });
});
