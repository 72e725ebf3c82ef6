// The grains of a global batch: contiguous pieces, the smallest units in which sums are formed. How
// it is cut follows from the batch, and from the replicas only where statistics are local to them,
// so that neither workers nor replicas decide the bits of a sum. Pure index maths; what runs in
// every step allocates nothing.

import { InvariantError } from '../base/errors.ts';
import type { Span } from './tree.ts';

/** How a global batch is cut: evenly in shards, and each of them evenly in grains. */
export interface GrainCut {
  /** Grains of all shards together, as many in each. */
  readonly count: number;
  /** The replicas, where statistics are local to them; otherwise 1. */
  readonly shards: number;
}

/** What of the replicas matters to the cut: `none` where all statistics are of the whole batch, or
 * of each sample; `borders` where some are of replicas or groups of them; `whole` where something
 * needs all samples of a replica on one worker. */
export type Locality = 'none' | 'borders' | 'whole';

/** Up to so many samples each is a grain; beyond, a grain has {@link GRAIN_SAMPLES} of them, while
 * that makes neither fewer grains nor more than {@link MOST_GRAINS}: each grain costs a copy of
 * every sum. */
const FEW_GRAINS = 8;
const GRAIN_SAMPLES = 4;
const MOST_GRAINS = 32;
/** From so many samples on twice as many grains cost nothing that could be measured. */
const MANY_SAMPLES = 512;

/** How many grains a global batch has by default: one for each sample up to 8 samples, one
 * for every 4 from 32 to 128 samples, 32 beyond, and 64 from 512 samples on. */
export function defaultGrains(globalBatch: number): number {
  if (globalBatch >= MANY_SAMPLES) return 2 * MOST_GRAINS;
  const bySamples = Math.ceil(globalBatch / GRAIN_SAMPLES);
  return Math.min(globalBatch, Math.max(FEW_GRAINS, Math.min(bySamples, MOST_GRAINS)));
}

/** Cuts a global batch in `grains` pieces, more where all shards have to have as many. */
export function cutGrains(request: {
  readonly globalBatch: number;
  readonly grains: number;
  readonly replicas: number;
  readonly locality: Locality;
}): GrainCut {
  const { globalBatch, replicas, locality } = request;
  const grains = Math.min(request.grains, globalBatch);
  if (locality === 'none') return { count: grains, shards: 1 };
  const perShard = locality === 'whole' ? 1 : Math.ceil(grains / replicas);
  return { count: perShard * replicas, shards: replicas };
}

/** Where a part starts when `count` things are split in `parts`; part `parts` gives `count`. Sizes
 * differ by at most one, the larger ones come first, so that the last parts are empty where there
 * are fewer things than parts. */
export function partStart(count: number, parts: number, part: number): number {
  return part * Math.floor(count / parts) + Math.min(part, count % parts);
}

/** The part that holds a thing; `parts` for those after the last one. */
export function partOf(count: number, parts: number, thing: number): number {
  const size = Math.floor(count / parts);
  const larger = count % parts;
  const inLarger = larger * (size + 1);
  if (thing < inLarger) return Math.floor(thing / (size + 1));
  return size === 0 ? parts : larger + Math.floor((thing - inLarger) / size);
}

/** Where a grain starts in a batch of `samples`; grain `count` gives `samples`. */
export function grainStart({ count, shards }: GrainCut, samples: number, grain: number): number {
  const perShard = count / shards;
  const shard = Math.floor(grain / perShard);
  const start = partStart(samples, shards, shard);
  if (shard === shards) return start;
  const size = partStart(samples, shards, shard + 1) - start;
  return start + partStart(size, perShard, grain - shard * perShard);
}

/** The grains of each worker: contiguous, and shared out as evenly as can be. Where there is a
 * shard for each worker they have whole ones, so that local statistics need no exchange. */
export function grainRanges({ count, shards }: GrainCut, workers: number): readonly Span[] {
  const units = workers <= shards ? shards : count;
  const perUnit = count / units;
  return Array.from({ length: workers }, (_, worker) => ({
    lo: partStart(units, workers, worker) * perUnit,
    hi: partStart(units, workers, worker + 1) * perUnit,
  }));
}

/** The grains of a worker's micro-batches, `count` where it has as many grains, else fewer:
 * contiguous, and as even as can be. Where there is a shard for each they have whole ones. */
export function microBatchRanges(cut: GrainCut, { lo, hi }: Span, count: number): readonly Span[] {
  const perShard = cut.count / cut.shards;
  const areWhole = lo % perShard === 0 && hi % perShard === 0 && (hi - lo) / perShard >= count;
  const perUnit = areWhole ? perShard : 1;
  const units = (hi - lo) / perUnit;
  const parts = Math.min(units, count);
  return Array.from({ length: parts }, (_, part) => ({
    lo: lo + partStart(units, parts, part) * perUnit,
    hi: lo + partStart(units, parts, part + 1) * perUnit,
  }));
}

/** Where a process stands among those that share a run. */
export interface ProcessPlace {
  /** Which process this is, from 0. */
  readonly process: number;
  /** How many workers each process has; this one has `workers[process]`. */
  readonly workers: readonly number[];
  /** How many workers of all processes run on this host. */
  readonly localWorkers?: number;
}

/** How a batch is cut, and who has which of its grains. */
export interface GrainPlan {
  readonly cut: GrainCut;
  /** Of each worker of this process. */
  readonly ranges: readonly Span[];
  /** Of the workers of all processes, in order. */
  readonly ranks: readonly Span[];
  /** Which of {@link ranks} each process has. */
  readonly processRanks: readonly Span[];
  /** Of each process; all grains where there is but one. */
  readonly processes: readonly Span[];
  readonly process: number;
}

/** Shares the grains out over all workers of all processes. */
export function planGrains(cut: GrainCut, { process, workers }: ProcessPlace): GrainPlan {
  let total = 0;
  const processRanks = workers.map((count) => {
    total += count;
    return { lo: total - count, hi: total };
  });
  const ranks = grainRanges(cut, total);
  const processes = processRanks.map(({ lo, hi }) => ({
    lo: ranks[lo]!.lo,
    hi: ranks[hi - 1]!.hi,
  }));
  const own = processRanks[process]!;
  return { cut, ranges: ranks.slice(own.lo, own.hi), ranks, processRanks, processes, process };
}

/** The most samples that these grains have in any step of at most `globalBatch` samples. Grains
 * only grow with the batch, so a full one decides. */
export function grainCapacity(cut: GrainCut, globalBatch: number, { lo, hi }: Span): number {
  return grainStart(cut, globalBatch, hi) - grainStart(cut, globalBatch, lo);
}

/** How many grains share statistics that `groupReplicas` replicas share. */
export function groupGrains({ count, shards }: GrainCut, groupReplicas: number): number {
  return Math.min(count, groupReplicas * (count / shards));
}

/** The part of a step's state that says which samples are whose. */
export interface GrainState {
  /** Samples of this worker. */
  countSamples: number;
  /** Local grain i holds this worker's samples [grainStart[i], grainStart[i + 1]). */
  readonly grainStart: Int32Array;
  /** Where this worker's first sample stands in the global batch; keys the random numbers. */
  firstSample: number;
  /** Samples of the global batch. */
  globalCount: number;
}

/** Fills in which of the `samples` of a step belong to the worker with these grains. */
export function fillGrains(state: GrainState, cut: GrainCut, samples: number, range: Span): void {
  const countLocal = range.hi - range.lo;
  if (state.grainStart.length !== countLocal + 1) {
    throw new InvariantError('length of grainStart', state.grainStart.length, countLocal + 1);
  }
  const first = grainStart(cut, samples, range.lo);
  for (let i = 0; i <= countLocal; i++) {
    state.grainStart[i] = grainStart(cut, samples, range.lo + i) - first;
  }
  state.countSamples = state.grainStart[countLocal]!;
  state.firstSample = first;
  state.globalCount = samples;
}
