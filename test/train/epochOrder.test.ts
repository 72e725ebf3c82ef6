// The order of an epoch with shards: batches of the replicas' samples, in replica order.

import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { storeSamples } from '../../src/data/stored/storeSamples.ts';
import { createArena, viewOf } from '../../src/memory/arena.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { planRun } from '../../src/plan/plan.ts';
import { partOf } from '../../src/reduce/grains.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { bindEpochOrder } from '../../src/train/epochOrder.ts';

const data = synthetic({ train: 50, test: 0, shape: [4, 4, 1], classes: 4, seed: 2 });
const COUNT = data.train.count;

/** The orders of epochs 0 and 1, as far as batches take them. */
function ordersOf(options: Partial<TrainerOptions>): readonly number[][] {
  const config = resolveOptions({
    data,
    model: sequential([flatten(), linear(16, 4)]),
    optimizer: sgd({ lr: 0.1 }),
    replicas: 3,
    globalBatch: 12,
    workers: 1,
    ...options,
  });
  const plan = planRun(config);
  const memory = createArena(plan.layout);
  const order = viewOf(memory, plan.regions.data.order);
  const write = bindEpochOrder(plan, memory, storeSamples(data, config));
  const taken = (plan.stepsPerEpoch - 1) * config.globalBatch + plan.lastBatch;
  return [0, 1].map((epoch) => {
    write(epoch);
    return [...order.subarray(0, taken)];
  });
}

/** The replica of each place in an epoch of 50 samples in batches of 12. */
const replicaAt = (place: number): number => {
  const batch = Math.min(12, COUNT - 12 * Math.floor(place / 12));
  return partOf(batch, 3, place % 12);
};

describe('the order of an epoch by class', () => {
  it('has each sample once, always on the same replica, in a new order each epoch', () => {
    const [first, second] = ordersOf({ shards: 'by-class' });
    const ownerIn = (order: readonly number[]): number[] => {
      const owners = new Array<number>(COUNT).fill(-1);
      for (const [place, sample] of order.entries()) owners[sample] = replicaAt(place);
      return owners;
    };
    expect([...first!].sort((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, i) => i));
    expect(ownerIn(second!)).toEqual(ownerIn(first!));
    expect(ownerIn(first!)).not.toContain(-1);
    expect(second).not.toEqual(first);
    // The replicas' samples are sorted by class and cut.
    const classes = [0, 1, 2].map((replica) => {
      const own = first!.filter((_, place) => replicaAt(place) === replica);
      return own.map((sample) => data.train.targets[sample]!);
    });
    expect(Math.max(...classes[0]!)).toBeLessThanOrEqual(Math.min(...classes[1]!));
    expect(Math.max(...classes[1]!)).toBeLessThanOrEqual(Math.min(...classes[2]!));
  });

  it('is in the order of the data without a shuffle', () => {
    const [first, second] = ordersOf({ shards: 'by-class', shuffle: false });
    expect(second).toEqual(first);
    const own = first!.filter((_, place) => replicaAt(place) === 0);
    const byClass = (a: number, b: number): number =>
      data.train.targets[a]! - data.train.targets[b]! || a - b;
    expect(own).toEqual([...own].sort(byClass));
  });

  it('leaves out different samples in each epoch if the last batch is dropped', () => {
    const [first, second] = ordersOf({ shards: 'dirichlet:0.3', dropLast: true });
    expect(new Set(first)).toHaveProperty('size', 48);
    expect(new Set([...first!, ...second!]).size).toBeGreaterThan(48);
  });
});

it('iid is the order of all samples, for any number of replicas', () => {
  expect(ordersOf({ replicas: 2 })).toEqual(ordersOf({ shards: 'iid', replicas: 5 }));
});
