// The grains of a global batch: contiguous pieces, the smallest units in which sums are formed. The
// cut depends on the batch, and on the replicas only if statistics are local to them, so neither
// workers nor replicas affect the bits of a sum. Pure index math; functions that run in every step
// do not allocate.

import { InvariantError } from '../base/errors.ts';
import type { Span } from './tree.ts';

/** How a global batch is cut: evenly into shards, and each of them evenly into grains. */
export interface GrainCut {
  /** Total number of grains; every shard has the same number. */
  readonly count: number;
  /** The number of replicas if statistics are local to them; otherwise 1. */
  readonly shards: number;
}

/** How replicas affect the cut: `none` if all statistics are over the whole batch or single
 * samples; `borders` if some are over replicas or groups of them; `whole` if all samples of a
 * replica have to be on one worker. */
export type Locality = 'none' | 'borders' | 'whole';

/** Up to this number of samples, each one is a grain. Beyond it, a grain has {@link GRAIN_SAMPLES}
 * samples as long as that gives at least this many and at most {@link MOST_GRAINS} grains. Each
 * grain costs a copy of every sum. */
const FEW_GRAINS = 8;
const GRAIN_SAMPLES = 4;
const MOST_GRAINS = 32;
/** From this number of samples on, twice as many grains have no measurable cost. */
const MANY_SAMPLES = 512;

/** The default number of grains of a global batch: one for each sample up to 8 samples, one for
 * every 4 from 32 to 128 samples, 32 beyond, and 64 from 512 samples on. */
export function defaultGrains(globalBatch: number): number {
  if (globalBatch >= MANY_SAMPLES) return 2 * MOST_GRAINS;
  const bySamples = Math.ceil(globalBatch / GRAIN_SAMPLES);
  return Math.min(globalBatch, Math.max(FEW_GRAINS, Math.min(bySamples, MOST_GRAINS)));
}

/** Cuts a global batch into `grains` pieces, or more if all shards must have the same number. */
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

/** The start of a part when `count` items are split into `parts`; part `parts` gives `count`. Sizes
 * differ by at most one, with the larger ones first, so the last parts are empty if there are
 * fewer items than parts. */
export function partStart(count: number, parts: number, part: number): number {
  return part * Math.floor(count / parts) + Math.min(part, count % parts);
}

/** The part that holds an item; `parts` for items after the last one. */
export function partOf(count: number, parts: number, thing: number): number {
  const size = Math.floor(count / parts);
  const larger = count % parts;
  const inLarger = larger * (size + 1);
  if (thing < inLarger) return Math.floor(thing / (size + 1));
  return size === 0 ? parts : larger + Math.floor((thing - inLarger) / size);
}

/** The start of a grain in a batch of `samples`; grain `count` gives `samples`. */
export function grainStart({ count, shards }: GrainCut, samples: number, grain: number): number {
  const perShard = count / shards;
  const shard = Math.floor(grain / perShard);
  const start = partStart(samples, shards, shard);
  if (shard === shards) return start;
  const size = partStart(samples, shards, shard + 1) - start;
  return start + partStart(size, perShard, grain - shard * perShard);
}

/** The grains of each worker: contiguous, and distributed as evenly as possible. If there are
 * enough shards, workers have whole ones, so local statistics need no exchange. */
export function grainRanges({ count, shards }: GrainCut, workers: number): readonly Span[] {
  const units = workers <= shards ? shards : count;
  const perUnit = count / units;
  return Array.from({ length: workers }, (_, worker) => ({
    lo: partStart(units, workers, worker) * perUnit,
    hi: partStart(units, workers, worker + 1) * perUnit,
  }));
}

/** The grains of a worker's `count` micro-batches, or fewer if it has fewer grains: contiguous, and
 * as even as possible. If there are enough shards, micro-batches have whole ones. */
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

/** The place of a process among those that share a run. */
export interface ProcessPlace {
  /** Index of this process, from 0. */
  readonly process: number;
  /** The number of workers of each process; this one has `workers[process]`. */
  readonly workers: readonly number[];
  /** The number of workers of all processes on this host. */
  readonly localWorkers?: number;
}

/** How a batch is cut, and which worker has which grains. */
export interface GrainPlan {
  readonly cut: GrainCut;
  /** The grains of each worker of this process. */
  readonly ranges: readonly Span[];
  /** The grains of the workers of all processes, in order. */
  readonly ranks: readonly Span[];
  /** The part of {@link ranks} that each process has. */
  readonly processRanks: readonly Span[];
  /** The grains of each process; all grains if there is only one. */
  readonly processes: readonly Span[];
  readonly process: number;
}

/** Distributes the grains over all workers of all processes. */
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

/** The number of grains that share statistics if `groupReplicas` replicas do. */
export function groupGrains({ count, shards }: GrainCut, groupReplicas: number): number {
  return Math.min(count, groupReplicas * (count / shards));
}

/** The part of a step's state that says which samples this worker has. */
export interface GrainState {
  /** Number of samples of this worker. */
  countSamples: number;
  /** Local grain i holds this worker's samples [grainStart[i], grainStart[i + 1]). */
  readonly grainStart: Int32Array;
  /** Position of this worker's first sample in the global batch; keys the random numbers. */
  firstSample: number;
  /** Number of samples in the global batch. */
  globalCount: number;
}

/** Sets which of a step's `samples` samples belong to the worker with these grains. */
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
