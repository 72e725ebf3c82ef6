// The diagnostics of a run's norms: which layers have them, where they lie in the arena, and what
// main reads from there. The maths is in `norm/diagnostics.ts`. Whether a step is sampled follows
// from its number, so all workers agree without a message.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { ReplicaRange } from '../data/sampler.ts';
import type { Layout, LayoutBuilder } from '../memory/layout.ts';
import type { Graph } from '../nn/graph/graph.ts';
import type { StepState } from '../nn/layers/layer.ts';
import {
  CONDITIONING,
  COUNT,
  DEAD_SHARE,
  DIAGNOSTICS_LENGTH,
  diagnosedReduction,
  MEAN_SHIFT,
  NON_FINITE,
  SAMPLE_SLOTS,
  VARIANCE_FACTOR,
  VARIANCE_RATIO,
} from '../norm/diagnostics.ts';
import { type BoundReduction, vectorLength } from '../norm/reducer.ts';
import { readSample } from './samples.ts';

/** Often enough to see a trend within an epoch; a sample costs a loop over channels. */
export const DEFAULT_DIAGNOSTICS_EVERY = 50;

/** How one shard's statistics lie to those of its sync group. NaN where there is nothing to say:
 * for an empty shard, without a live channel, or in `variance...` for one value per channel. */
export interface ShardDiagnostics {
  /** Values per channel. */
  readonly count: number;
  /** Root mean square over the channels of (shard mean - group mean) / group std. */
  readonly meanShift: number;
  /** Geometric mean over the channels of shard variance / group variance. */
  readonly varianceRatio: number;
  /** By what factor the variances typically differ, up or down; at least 1. */
  readonly varianceFactor: number;
  /** Largest |mean| / std of the group over its channels. */
  readonly conditioning: number;
  /** Share of the group's channels that are as good as constant: variance at most eps / 100. */
  readonly deadShare: number;
  /** Channels in which the shard has NaN or infinity. */
  readonly nonFinite: number;
}

/** The largest numbers over a layer's replicas. */
export interface WorstDiagnostics extends Omit<ShardDiagnostics, 'count' | 'varianceRatio'> {
  /** The replica that lies furthest from its group; the first with NaN or infinity if any has. */
  readonly replica: number;
}

export interface LayerDiagnostics {
  /** The layer's place in the model: `1.batchNorm`. */
  readonly path: string;
  readonly worst: WorstDiagnostics;
  readonly replicas: readonly ShardDiagnostics[];
}

/** One sampled step. */
export interface Diagnostics {
  /** How many optimizer steps were done before it. */
  readonly step: number;
  readonly layers: readonly LayerDiagnostics[];
}

/** One sampled step in short: of each layer the worst over its replicas. */
export interface DiagnosticsSummary {
  readonly step: number;
  readonly layers: readonly (WorstDiagnostics & { readonly path: string })[];
}

interface DiagnosedLayer {
  readonly path: string;
  /** The name of its reduction of moments in the plan. */
  readonly reduction: string;
  readonly channels: number;
  readonly eps: number;
}

export interface DiagnosticsPlan {
  readonly every: number;
  readonly layers: readonly DiagnosedLayer[];
  readonly countReplicas: number;
}

const REGION = 'diagnostics';

function keptRegion(rank: number): string {
  return `rank ${rank}.diagnostics.shards`;
}

/** The layers of a graph that have diagnostics. */
function diagnosedLayers(graph: Graph): readonly DiagnosedLayer[] {
  return graph.operations.flatMap((operation) => {
    if (operation.op !== 'layer') return [];
    const { kind, spec, path } = operation;
    const declared = kind.diagnosed?.(spec);
    if (declared === undefined) return [];
    const { reduction, channels, eps } = declared;
    return [{ path, reduction: `${path}.${reduction}`, channels, eps }];
  });
}

/** Places the diagnostics in the arena; undefined where they are off or no layer has any. */
export function planDiagnostics(
  builder: LayoutBuilder,
  graph: Graph,
  every: number,
  ranges: readonly ReplicaRange[],
): DiagnosticsPlan | undefined {
  const layers = every === 0 ? [] : diagnosedLayers(graph);
  if (layers.length === 0) return undefined;
  const countReplicas = ranges[ranges.length - 1]!.hi;
  const shape = [SAMPLE_SLOTS, layers.length, countReplicas, DIAGNOSTICS_LENGTH];
  builder.add({ name: REGION, type: 'f64', shape, writer: 'the rank of the replica' });
  const longest = Math.max(...layers.map((layer) => vectorLength('moments', layer.channels)));
  for (const [rank, { lo, hi }] of ranges.entries()) {
    const kept = { shape: [hi - lo, longest], writer: `rank ${rank}` };
    builder.add({ name: keptRegion(rank), type: 'f64', ...kept });
  }
  return { every, layers, countReplicas };
}

/** Wraps a bound reduction that has diagnostics; hands any other back as it is. */
export function withDiagnostics(
  inner: BoundReduction,
  name: string,
  setup: {
    readonly plan: { readonly diagnostics: DiagnosticsPlan | undefined; readonly layout: Layout };
    readonly worker: { readonly rank: number; readonly replicas: ReplicaRange };
    readonly memory: WebAssembly.Memory;
    readonly step: StepState;
  },
): BoundReduction {
  const { plan, worker, memory, step } = setup;
  const { diagnostics, layout } = plan;
  const index = diagnostics?.layers.findIndex(({ reduction }) => reduction === name) ?? -1;
  if (diagnostics === undefined || index < 0) return inner;
  const { every, layers, countReplicas } = diagnostics;
  const rowBytes = DIAGNOSTICS_LENGTH * DOUBLE_BYTES;
  const { lo, hi } = worker.replicas;
  return diagnosedReduction(inner, {
    memory,
    step,
    every,
    channels: layers[index]!.channels,
    eps: layers[index]!.eps,
    countLocalReplicas: hi - lo,
    keptPtr: layout.get(keptRegion(worker.rank)).offsetBytes,
    toPtr: layout.get(REGION).offsetBytes + (index * countReplicas + lo) * rowBytes,
    slotBytes: layers.length * countReplicas * rowBytes,
  });
}

/** Reads the last sample, also while the workers go on.
 * `since` is the first step of this arena and `stepsDone` tells how many are done by now. */
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
  const found = readSample({ every, since, stepsDone, copySlot });
  return found === undefined ? undefined : { step: found.step, layers: decode(plan, found.sample) };
}

/** A sample in short. */
export function summarizeDiagnostics(
  sample: Diagnostics | undefined,
): DiagnosticsSummary | undefined {
  if (sample === undefined) return undefined;
  const { step, layers } = sample;
  return { step, layers: layers.map(({ path, worst }) => ({ path, ...worst })) };
}

/** How far off a shard or layer is, for comparisons: its mean shift or the logarithm of its
 * variance factor, whichever is larger; NaN and infinity in its channels are worse than
 * anything. */
export function severityOf(found: WorstDiagnostics | ShardDiagnostics): number {
  if (found.nonFinite > 0) return Number.POSITIVE_INFINITY;
  return Math.max(known(found.meanShift), known(Math.log(found.varianceFactor)));
}

function decode(plan: DiagnosticsPlan, sample: Float64Array): readonly LayerDiagnostics[] {
  const { layers, countReplicas } = plan;
  return layers.map(({ path }, layer) => {
    const replicas = Array.from({ length: countReplicas }, (_, replica) => {
      const at = (layer * countReplicas + replica) * DIAGNOSTICS_LENGTH;
      return shardOf(sample.subarray(at, at + DIAGNOSTICS_LENGTH));
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
