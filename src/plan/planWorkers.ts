// Plans what each worker of a run gets: its part of the tree, its micro-batches, and memory for
// both. Activations come last: those that do not fit beside everything else are parked outside the
// arena.

import { type LayoutBuilder, MAX_ARENA_BYTES } from '../memory/layout.ts';
import { derivedValues } from '../nn/graph/derive.ts';
import type { Graph, LayerOperation } from '../nn/graph/graph.ts';
import { type Schedule, scheduleOf } from '../nn/graph/schedule.ts';
import { planStorage } from '../nn/graph/storage.ts';
import type { WorkspaceSize } from '../nn/layers/layer.ts';
import { countGroups, type ReductionPlan } from '../reduce/exchange.ts';
import { type GrainPlan, grainCapacity, microBatchRanges } from '../reduce/grains.ts';
import { coverNodes, type Span } from '../reduce/tree.ts';
import type { RunConfig } from './config.ts';
import { cutsOf } from './cuts.ts';
import { reductionName } from './declaredReductions.ts';
import type { ParameterPlan } from './parameters.ts';
import {
  type GradientNode,
  type MicroBatchRegions,
  placeActivations,
  placeMicroBatch,
  placeNode,
  placeWorker,
  type WorkerRegions,
} from './regions.ts';
import type { WorkerPlan } from './workerPlan.ts';
import { type PlacedWorkspaces, placeWorkspaces } from './workspace.ts';

/** An upper bound of what a region takes besides its elements. */
const REGION_ROOM_BYTES = 512;

/** The plan of a worker before its activations are placed. */
export interface UnfinishedWorker {
  readonly rank: number;
  readonly grains: Span;
  readonly nodes: readonly GradientNode[];
  readonly regions: Omit<WorkerRegions, 'activations'>;
  readonly microBatches: readonly {
    readonly grains: Span;
    readonly size: WorkspaceSize;
    readonly regions: MicroBatchRegions;
  }[];
  readonly schedule: Schedule;
  readonly workspaces: PlacedWorkspaces;
}

interface WorkersRequest {
  readonly config: RunConfig;
  readonly microBatches: number;
  readonly graph: Graph;
  readonly parameters: ParameterPlan;
  readonly grains: GrainPlan;
  readonly reductions: ReadonlyMap<string, ReductionPlan>;
}

/** Plans the workers of this process, except for their activations. */
export function planWorkers(
  builder: LayoutBuilder,
  request: WorkersRequest,
): readonly UnfinishedWorker[] {
  const derived = derivedValues(request.graph);
  return request.grains.ranges.map((_, rank) => planWorker(builder, request, derived, rank));
}

function planWorker(
  builder: LayoutBuilder,
  request: WorkersRequest,
  derived: ReturnType<typeof derivedValues>,
  rank: number,
): UnfinishedWorker {
  const { config, microBatches, graph, parameters, reductions } = request;
  const { cut, ranges } = request.grains;
  const grains = ranges[rank]!;
  const parts = microBatchRanges(cut, grains, microBatches);
  const sizes = parts.map(
    (part): WorkspaceSize => ({
      capacity: grainCapacity(cut, config.globalBatch, part),
      countGrains: part.hi - part.lo,
      countGroups: (groupReplicas) => countGroups(cut, part, groupReplicas),
    }),
  );
  const reductionOf = ({ path }: LayerOperation, name: string): ReductionPlan =>
    reductions.get(reductionName(path, name))!;
  const cuts = cutsOf(graph, reductionOf, rank, parts);
  const covered = coverNodes({ lo: 0, hi: cut.count }, grains);
  const nodes = covered.map((node) => placeNode(builder, parameters, node));
  const sized = { rank, nodes: covered, microBatches: parts };
  const writer = `rank ${rank}`;
  return {
    ...{ rank, grains, nodes },
    regions: placeWorker(builder, config, parameters, cut, sized),
    microBatches: parts.map((part, m) => ({
      grains: part,
      size: sizes[m]!,
      regions: placeMicroBatch(builder, config, sizes[m]!.capacity, {
        name: parts.length === 1 ? writer : `${writer}.micro-batch ${m}`,
        writer,
      }),
    })),
    schedule: scheduleOf(graph, cuts),
    workspaces: placeWorkspaces(builder, { graph, sizes, cuts, rank, derived }),
  };
}

/** Places the activations of all workers in the rest of an arena of `arenaBytes`, by default the
 * largest possible. */
export function placeAllActivations(
  builder: LayoutBuilder,
  graph: Graph,
  workers: readonly UnfinishedWorker[],
  arenaBytes = MAX_ARENA_BYTES,
): readonly WorkerPlan[] {
  const budgetBytes = (arenaBytes - builder.sizeBytes) / workers.length - REGION_ROOM_BYTES;
  const derived = derivedValues(graph);
  return workers.map(({ workspaces, microBatches, ...worker }): WorkerPlan => {
    const capacity = Math.max(...microBatches.map(({ size }) => size.capacity));
    const { places, ...storage } = planStorage(graph, capacity, derived, {
      schedule: worker.schedule,
      microBatches: microBatches.length,
      workspaces: workspaces.kept,
      budgetBytes,
    });
    const activations = placeActivations(builder, worker.rank, storage.sizeBytes);
    return {
      ...worker,
      storage,
      regions: { ...worker.regions, activations },
      microBatches: microBatches.map((microBatch, m) => {
        const among = [...places[m]!.workspaceOffsetsBytes].map(
          ([name, offset]) => [name, activations.offsetBytes + offset] as const,
        );
        const workspace = new Map([...workspaces.shared, ...workspaces.own[m]!, ...among]);
        return { ...microBatch, storage: places[m]!, workspace };
      }),
    };
  });
}
