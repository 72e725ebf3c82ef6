// Which samples a step works on and who gets them: the steps of an epoch, the shards of a global
// batch, the replicas of a worker, the shuffled order. Pure index maths; the functions that run in
// every step allocate nothing.

import { checkInteger, InvariantError, UsageError } from '../base/errors.ts';
import { Purpose, RandomStream } from '../base/random.ts';

export interface EpochRequest {
  readonly countSamples: number;
  /** Samples of a full step. */
  readonly globalBatch: number;
  /** Leave out a last batch that is not full. Default: false, every sample is used. */
  readonly dropLast?: boolean;
}

export interface EpochPlan {
  readonly stepsPerEpoch: number;
  /** Samples of the last step, 1 to globalBatch. */
  readonly lastBatch: number;
}

/** The part of a step's state that says which samples are whose; the layers' StepState has it. */
export interface ShardState {
  countSamples: number;
  /** Local replica i holds this worker's samples [replicaStart[i], replicaStart[i + 1]). */
  readonly replicaStart: Int32Array;
  firstSample: number;
  globalCount: number;
}

/** A contiguous range of replicas: `lo` up to, not including, `hi`. */
export interface ReplicaRange {
  readonly lo: number;
  readonly hi: number;
}

/** How many steps an epoch has and how many samples its last one. Throws a UsageError when no step
 * is left because the only batch is not full and dropped. */
export function planEpoch(request: EpochRequest): EpochPlan {
  const { countSamples, globalBatch, dropLast = false } = request;
  checkInteger('training samples', countSamples, 1);
  checkInteger('global batch', globalBatch, 1);
  const full = Math.floor(countSamples / globalBatch);
  const rest = countSamples % globalBatch;
  if (rest === 0 || (dropLast && full > 0)) return { stepsPerEpoch: full, lastBatch: globalBatch };
  if (!dropLast) return { stepsPerEpoch: full + 1, lastBatch: rest };
  throw new UsageError({
    what: 'global batch with dropLast',
    given: globalBatch,
    allowed: `at most the ${countSamples} training samples`,
    hint: 'a smaller batch, or dropLast: false',
  });
}

/** Where the shard of `replica` starts in a global batch of `count` samples over `replicas`
 * replicas; `replica` = `replicas` gives `count`. Sizes differ by at most one, the larger ones
 * come first, so the last shards are empty when there are fewer samples than replicas. */
export function shardStart(count: number, replicas: number, replica: number): number {
  return replica * Math.floor(count / replicas) + Math.min(replica, count % replicas);
}

/** The replicas that `worker` of `workers` runs: contiguous, sizes differ by at most one. Throws a
 * UsageError when there are fewer replicas than workers. */
export function workerReplicas(replicas: number, workers: number, worker: number): ReplicaRange {
  checkInteger('workers', workers, 1);
  checkInteger('replicas', replicas, workers);
  checkInteger('worker', worker, 0, workers - 1);
  return {
    lo: shardStart(replicas, workers, worker),
    hi: shardStart(replicas, workers, worker + 1),
  };
}

/** The most samples that a worker with these replicas has in any step of at most `globalBatch`
 * samples: what its buffers must hold. Shards only grow with the batch, so a full one decides. */
export function workerCapacity(globalBatch: number, replicas: number, range: ReplicaRange): number {
  return shardStart(globalBatch, replicas, range.hi) - shardStart(globalBatch, replicas, range.lo);
}

/** Fills in which of the `globalCount` samples of this step belong to the worker that runs the
 * replicas of `range` out of `replicas`. Allocates nothing. */
export function fillShard(
  state: ShardState,
  globalCount: number,
  replicas: number,
  range: ReplicaRange,
): void {
  const countLocal = range.hi - range.lo;
  if (state.replicaStart.length < countLocal + 1) {
    throw new InvariantError('length of replicaStart', state.replicaStart.length, countLocal + 1);
  }
  const first = shardStart(globalCount, replicas, range.lo);
  for (let i = 0; i <= countLocal; i++) {
    state.replicaStart[i] = shardStart(globalCount, replicas, range.lo + i) - first;
  }
  state.countSamples = state.replicaStart[countLocal]!;
  state.firstSample = first;
  state.globalCount = globalCount;
}

/** Writes 0, 1, 2, ...: the order of an epoch that is not shuffled. */
export function identityOrder(order: Int32Array): void {
  for (let i = 0; i < order.length; i++) order[i] = i;
}

/** Writes the permutation of (seed, epoch): Fisher and Yates's shuffle (Durstenfeld 1964), always
 * from the identity, so that any epoch can be made without those before it. */
export function shuffleOrder(order: Int32Array, seed: number, epoch: number): void {
  identityOrder(order);
  const random = new RandomStream().reset(seed, Purpose.shuffle, epoch, 0);
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.nextBelow(i + 1);
    const taken = order[i]!;
    order[i] = order[j]!;
    order[j] = taken;
  }
}
