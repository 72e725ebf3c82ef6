// The order in which an epoch's global batches take samples: shuffled over all samples, within
// windows, or separately for each replica, arranged so that every batch consists of the replicas'
// shards. It is computed from (seed, epoch) alone, so it does not depend on earlier epochs.

import { Purpose, RandomStream } from '../base/random.ts';
import { windowedOrder } from '../data/chunked/windows.ts';
import { identityOrder, shuffleOrder, shufflePart } from '../data/loading/sampler.ts';
import { assignShards, type KeptShards } from '../data/loading/shards.ts';
import type { StoredSamples } from '../data/stored/storedSamples.ts';
import { viewOf } from '../memory/arena.ts';
import type { RunPlan } from '../plan/plan.ts';
import { partStart } from '../reduce/grains.ts';

/** Returns a function that writes the order of an epoch. */
export function bindEpochOrder(
  plan: RunPlan,
  memory: WebAssembly.Memory,
  samples: StoredSamples,
): (epoch: number) => void {
  const { config, regions } = plan;
  const { shards = 'iid', shuffle, seed } = config;
  const order = viewOf(memory, regions.data.order);
  const { window } = config;
  if (window !== undefined) {
    return (epoch) => windowedOrder(order, { seed, epoch, shuffle }, window);
  }
  if (shards !== 'iid') return bindShardedOrder(plan, memory, samples, shards);
  return (epoch) => {
    if (shuffle) shuffleOrder(order, seed, epoch);
    else identityOrder(order);
  };
}

/** Writes each replica's shuffled samples to the slots of its shards. If the last batch is dropped,
 * a replica omits as many samples as it would have in it, different ones in each epoch. */
function bindShardedOrder(
  plan: RunPlan,
  memory: WebAssembly.Memory,
  { train, domains }: StoredSamples,
  shards: KeptShards,
): (epoch: number) => void {
  const { config, regions, stepsPerEpoch, lastBatch } = plan;
  const { replicas, globalBatch, shuffle, seed } = config;
  const order = viewOf(memory, regions.data.order);
  const { samples, starts } = assignShards({
    shards,
    labels: shards === 'by-domain' ? domains! : (train.slots[0]!.targets as Int32Array),
    quotas: quotasOf(order.length, globalBatch, replicas),
    seed,
  });
  const own = new Int32Array(samples.length);
  const random = new RandomStream();
  return (epoch) => {
    own.set(samples);
    for (let replica = 0; replica < replicas; replica++) {
      let next = starts[replica]!;
      // The first stream of an epoch belongs to the order of all samples.
      random.reset(seed, Purpose.shuffle, epoch, 1 + replica);
      if (shuffle) shufflePart(own, next, starts[replica + 1]!, random);
      for (let step = 0; step < stepsPerEpoch; step++) {
        const size = step === stepsPerEpoch - 1 ? lastBatch : globalBatch;
        const to = partStart(size, replicas, replica + 1);
        for (let slot = partStart(size, replicas, replica); slot < to; slot++) {
          order[step * globalBatch + slot] = own[next++]!;
        }
      }
    }
  };
}

/** The number of samples of each replica in all batches of an epoch, including a last one that is
 * not full. */
export function quotasOf(
  countSamples: number,
  globalBatch: number,
  replicas: number,
): readonly number[] {
  const full = Math.floor(countSamples / globalBatch);
  const rest = countSamples % globalBatch;
  const sizeIn = (batch: number, replica: number): number =>
    partStart(batch, replicas, replica + 1) - partStart(batch, replicas, replica);
  return Array.from({ length: replicas }, (_, replica) => {
    return full * sizeIn(globalBatch, replica) + sizeIn(rest, replica);
  });
}
