// The diagnostics of a run's norms: what workers record in snapshot steps, and how the main thread
// reads it. The math is in norm/diagnostics.ts. Step numbers alone decide which steps are
// snapshots, so all workers agree without a message.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { sizeOf } from '../base/shape.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { Region } from '../memory/layout.ts';
import type { BoundTensor, StepState } from '../nn/layers/layer.ts';
import {
  bindDiagnosis,
  CONDITIONING,
  COUNT,
  DEAD_SHARE,
  DIAGNOSTICS_LENGTH,
  MEAN_SHIFT,
  NON_FINITE,
  VARIANCE_FACTOR,
  VARIANCE_RATIO,
} from '../norm/diagnostics.ts';
import { type DiagnosedLayer, type DiagnosticsPlan, pieceStride } from '../plan/diagnosticsPlan.ts';
import type { ReductionPlan } from '../reduce/exchange.ts';
import { type GrainPlan, grainStart, partOf, partStart } from '../reduce/grains.ts';
import { type BoundReduction, vectorLength } from '../reduce/reduction.ts';
import type { Span } from '../reduce/tree.ts';
import { readSnapshot, slotOf } from './snapshots.ts';

/** Often enough to see a trend within an epoch; a snapshot costs a loop over channels. */
export const DEFAULT_DIAGNOSTICS_EVERY = 50;

/** How far one shard's statistics are from those of its sync group. NaN if undefined: for an empty
 * shard, without a live channel, or in `variance...` for one value per channel. */
export interface ShardDiagnostics {
  /** Values per channel. */
  readonly count: number;
  /** Root mean square over the channels of (shard mean - group mean) / group std. */
  readonly meanShift: number;
  /** Geometric mean over the channels of shard variance / group variance. */
  readonly varianceRatio: number;
  /** The factor by which variances typically differ, in either direction; at least 1. */
  readonly varianceFactor: number;
  /** Largest |mean| / std of the group over its channels. */
  readonly conditioning: number;
  /** Fraction of the group's channels that are nearly constant: variance at most eps / 100. */
  readonly deadShare: number;
  /** Channels in which the shard has NaN or infinity. */
  readonly nonFinite: number;
}

/** The largest values over a layer's replicas. */
export interface WorstDiagnostics extends Omit<ShardDiagnostics, 'count' | 'varianceRatio'> {
  /** The replica furthest from its group; the first with NaN or infinity if any has them. */
  readonly replica: number;
}

/** The statistics of one batch norm, by replica. */
export interface LayerDiagnostics {
  /** The layer's path in the model: `1.batchNorm`. */
  readonly path: string;
  /** The largest of each measure. */
  readonly worst: WorstDiagnostics;
  /** In replica order; empty shards are left out. */
  readonly replicas: readonly ShardDiagnostics[];
}

/** One snapshot step. */
export interface Diagnostics {
  /** Optimizer steps completed before it. */
  readonly step: number;
  /** The batch norms, in model order. */
  readonly layers: readonly LayerDiagnostics[];
}

/** A summary of one snapshot step: for each layer, the worst values over its replicas. */
export interface DiagnosticsSummary {
  /** The number of the snapshot step. */
  readonly step: number;
  /** The worst values of each layer, and its path. */
  readonly layers: readonly (WorstDiagnostics & { readonly path: string })[];
}

/** What a worker's diagnostics are bound to. */
export interface DiagnosticsSetup {
  readonly plan: {
    readonly diagnostics: DiagnosticsPlan | undefined;
    readonly grains: GrainPlan;
  };
  readonly worker: { readonly rank: number };
  readonly microBatch: { readonly grains: Span };
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
  readonly step: StepState;
}

/** A layer's part in the snapshots, on one worker. */
export interface LayerDiagnosis {
  /** The layer's reduction, which in snapshot steps also publishes this worker's statistics of the
   * shards. */
  readonly reduction: BoundReduction;
  /** Writes the diagnostics of this worker's share of the replicas, after all workers have
   * published their statistics and the reduction's groups are complete everywhere. */
  diagnose(): void;
}

/** Binds the diagnostics to the reduction of a layer's moments; undefined if it has none. `input`
 * is the value that the moments describe. */
export function bindLayerDiagnosis(
  inner: BoundReduction,
  { name, declared }: Pick<ReductionPlan, 'name' | 'declared'>,
  input: BoundTensor,
  setup: DiagnosticsSetup,
): LayerDiagnosis | undefined {
  const { plan, step, memory } = setup;
  const { diagnostics } = plan;
  const index = diagnostics?.layers.findIndex(({ reduction }) => reduction === name) ?? -1;
  if (diagnostics === undefined || index < 0) return undefined;
  const { every, layers, countReplicas } = diagnostics;
  const layer = layers[index]!;
  const diagnose = bindDiagnosis(new Float64Array(memory.buffer), layer.channels, layer.eps);
  const shard = diagnostics.shards[setup.worker.rank]!;
  const pieces = bindPieces(setup, layer, input, { countReplicas, shard });
  const countWorkers = plan.grains.ranges.length;
  const rows = diagnostics.results.offsetBytes / DOUBLE_BYTES;
  return {
    reduction: {
      ...inner,
      publish() {
        if (step.isSnapshot) pieces.take();
        inner.publish();
      },
    },
    diagnose() {
      const row = (slotOf(step.step, every) * layers.length + index) * countReplicas;
      const perGroup = Number(declared.groupReplicas);
      for (let replica = setup.worker.rank; replica < countReplicas; replica += countWorkers) {
        const groupAt = inner.groupPtrs[Math.floor(replica / perGroup)]! / DOUBLE_BYTES;
        const shardAt = pieces.fold(replica) / DOUBLE_BYTES;
        diagnose(shardAt, groupAt, rows + (row + replica) * DIAGNOSTICS_LENGTH);
      }
    },
  };
}

interface Pieces {
  /** Takes the moments of all pieces in this micro-batch's grains. */
  take(): void;
  /** Merges the pieces of a replica in order; returns the address of its moments. */
  fold(replica: number): number;
}

function bindPieces(
  { plan, worker, microBatch, kernels, step }: DiagnosticsSetup,
  layer: DiagnosedLayer,
  input: BoundTensor,
  { countReplicas, shard }: { readonly countReplicas: number; readonly shard: Region },
): Pieces {
  const { cut, ranks, processRanks, process } = plan.grains;
  const range = microBatch.grains;
  const ownRank = processRanks[process]!.lo + worker.rank;
  const { channels } = layer;
  const sampleBytes = sizeOf(input.shape) * FLOAT_BYTES;
  const rowsPerSample = sizeOf(input.shape) / channels;
  const stride = pieceStride(channels) * DOUBLE_BYTES;
  const piecesPtrs = layer.pieces.map(({ offsetBytes }) => offsetBytes);
  const vectorPtr = shard.offsetBytes;
  const pivotsPtr = shard.offsetBytes + shard.shape[1]! * DOUBLE_BYTES;

  /** The address of a replica's piece in a grain, for a rank counted over all processes. */
  const pieceOf = (rank: number, grain: number, replica: number): number => {
    const { lo } = ranks[rank]!;
    const first = partOf(step.globalCount, countReplicas, grainStart(cut, step.globalCount, lo));
    return piecesPtrs[rank]! + (grain - lo + replica - first) * stride;
  };
  const takePiece = (from: number, to: number, ptr: number): void => {
    const xPtr = input.ptr + (from - step.firstSample) * sampleBytes;
    kernels.momentsF32(xPtr, (to - from) * rowsPerSample, channels, pivotsPtr, ptr);
  };
  const mergePieces = (rank: number, replica: number): void => {
    const samples = step.globalCount;
    const from = partStart(samples, countReplicas, replica);
    const to = partStart(samples, countReplicas, replica + 1);
    const { lo, hi } = ranks[rank]!;
    for (let grain = lo; grain < hi; grain++) {
      const start = Math.max(from, grainStart(cut, samples, grain));
      const end = Math.min(to, grainStart(cut, samples, grain + 1));
      if (start >= end) continue;
      kernels.mergeMoments(vectorPtr, vectorPtr, pieceOf(rank, grain, replica), channels);
    }
  };

  return {
    take() {
      const samples = step.globalCount;
      for (let grain = range.lo; grain < range.hi; grain++) {
        let from = grainStart(cut, samples, grain);
        const end = grainStart(cut, samples, grain + 1);
        while (from < end) {
          const replica = partOf(samples, countReplicas, from);
          const to = Math.min(end, partStart(samples, countReplicas, replica + 1));
          takePiece(from, to, pieceOf(ownRank, grain, replica));
          from = to;
        }
      }
    },
    fold(replica) {
      kernels.zeroBytes(vectorPtr, vectorLength('moments', channels) * DOUBLE_BYTES);
      for (let rank = 0; rank < ranks.length; rank++) mergePieces(rank, replica);
      return vectorPtr;
    },
  };
}

/** Reads the last snapshot, even while the workers continue. `since` is the first step of this
 * arena, and `stepsDone` returns how many steps are complete. */
export function readDiagnostics(
  plan: DiagnosticsPlan,
  values: Float64Array,
  since: number,
  stepsDone: () => number,
): Diagnostics | undefined {
  const { every, layers, countReplicas } = plan;
  const slotLength = layers.length * countReplicas * DIAGNOSTICS_LENGTH;
  const copySlot = (slot: number): Float64Array =>
    values.slice(slot * slotLength, (slot + 1) * slotLength);
  const found = readSnapshot({ every, since, stepsDone, copySlot });
  return found === undefined
    ? undefined
    : { step: found.step, layers: decode(plan, found.snapshot) };
}

/** Summarizes a snapshot. */
export function summarizeDiagnostics(
  snapshot: Diagnostics | undefined,
): DiagnosticsSummary | undefined {
  if (snapshot === undefined) return undefined;
  const { step, layers } = snapshot;
  return { step, layers: layers.map(({ path, worst }) => ({ path, ...worst })) };
}

/** Ranks how far off a shard or layer is: its mean shift or the logarithm of its variance factor,
 * whichever is larger. NaN and infinity in its channels rank worst. */
export function severityOf(found: WorstDiagnostics | ShardDiagnostics): number {
  if (found.nonFinite > 0) return Number.POSITIVE_INFINITY;
  return Math.max(known(found.meanShift), known(Math.log(found.varianceFactor)));
}

function decode(plan: DiagnosticsPlan, snapshot: Float64Array): readonly LayerDiagnostics[] {
  const { layers, countReplicas } = plan;
  return layers.map(({ path }, layer) => {
    const replicas = Array.from({ length: countReplicas }, (_, replica) => {
      const at = (layer * countReplicas + replica) * DIAGNOSTICS_LENGTH;
      return shardOf(snapshot.subarray(at, at + DIAGNOSTICS_LENGTH));
    });
    return { path, worst: worstOf(replicas), replicas };
  });
}

function shardOf(row: Float64Array): ShardDiagnostics {
  return {
    count: row[COUNT]!,
    meanShift: row[MEAN_SHIFT]!,
    varianceRatio: row[VARIANCE_RATIO]!,
    varianceFactor: row[VARIANCE_FACTOR]!,
    conditioning: row[CONDITIONING]!,
    deadShare: row[DEAD_SHARE]!,
    nonFinite: row[NON_FINITE]!,
  };
}

function worstOf(replicas: readonly ShardDiagnostics[]): WorstDiagnostics {
  const largest = (part: (shard: ShardDiagnostics) => number): number =>
    replicas.map(part).reduce((a, b) => (b > a || Number.isNaN(a) ? b : a), Number.NaN);
  const severities = replicas.map(severityOf);
  return {
    replica: severities.indexOf(Math.max(...severities)),
    meanShift: largest(({ meanShift }) => meanShift),
    varianceFactor: largest(({ varianceFactor }) => varianceFactor),
    conditioning: largest(({ conditioning }) => conditioning),
    deadShare: largest(({ deadShare }) => deadShare),
    nonFinite: largest(({ nonFinite }) => nonFinite),
  };
}

function known(value: number): number {
  return Number.isNaN(value) ? 0 : value;
}
