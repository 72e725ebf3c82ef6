// The plan of a run: from the config to every region of the arena, before anything runs. The main
// thread and each worker compute it independently, so only the config and the memory have to be
// sent.

import { planEpoch } from '../data/loading/sampler.ts';
import {
  type Layout,
  LayoutBuilder,
  MAX_ARENA_BYTES,
  showBytes,
  tooLarge,
} from '../memory/layout.ts';
import { cutOf } from '../nn/graph/cut.ts';
import { freezeGraph, freezeWhole } from '../nn/graph/freeze.ts';
import { fuseGraph } from '../nn/graph/fuse.ts';
import { buildGraph, type Graph, type LayerOperation } from '../nn/graph/graph.ts';
import { gradientsNeeded } from '../nn/graph/storage.ts';
import { planReduction, type ReductionPlan } from '../reduce/exchange.ts';
import { type GrainPlan, planGrains } from '../reduce/grains.ts';
import type { RunConfig } from './config.ts';
import { reductionName, reductionsOf } from './declaredReductions.ts';
import { type DiagnosticsPlan, planDiagnostics } from './diagnosticsPlan.ts';
import { type GradientNormsPlan, planGradientNorms } from './gradientNormsPlan.ts';
import { partsOf } from './gradientParts.ts';
import { type GradientPlan, planGradients } from './gradients.ts';
import { type ParameterPlan, planParameters } from './parameters.ts';
import { placeAllActivations, planWorkers } from './planWorkers.ts';
import { type PopulationPlan, planPopulations } from './populationPlan.ts';
import { type ProfilePlan, planProfile } from './profilePlan.ts';
import {
  placeControl,
  placeData,
  placeInference,
  placeParameters,
  type RunRegions,
} from './regions.ts';
import { placeStamps, placeUndoCopies, type UndoPlan } from './undoPlan.ts';
import type { WorkerPlan } from './workerPlan.ts';

export interface RunPlan {
  readonly config: RunConfig;
  readonly graph: Graph;
  readonly parameters: ParameterPlan;
  readonly grains: GrainPlan;
  /** The workers of this process. */
  readonly workers: readonly WorkerPlan[];
  readonly gradients: GradientPlan;
  readonly regions: RunRegions;
  readonly reductions: ReadonlyMap<string, ReductionPlan>;
  /** Undefined without diagnostics. */
  readonly diagnostics: DiagnosticsPlan | undefined;
  /** Undefined without diagnostics. */
  readonly gradientNorms: GradientNormsPlan | undefined;
  readonly populations: readonly PopulationPlan[];
  /** Undefined without a profile. */
  readonly profile: ProfilePlan | undefined;
  /** Undefined for runs that end if a worker dies. */
  readonly undo: UndoPlan | undefined;
  readonly stepsPerEpoch: number;
  readonly lastBatch: number;
  readonly layout: Layout;
  /** The bytes that the workers of this process park beside the arena. */
  readonly parkedBytes: number;
}

/** The memory of one process. */
export interface RunMemory {
  /** The size of the arena. */
  readonly arenaBytes: number;
  /** The bytes that its workers park beside the arena; 0 if everything fits. */
  readonly parkedBytes: number;
  /** The number of micro-batches, the maximum over its workers. */
  readonly microBatches: number;
}

export function memoryOf({ layout, parkedBytes, workers }: RunPlan): RunMemory {
  const microBatches = Math.max(...workers.map((worker) => worker.microBatches.length));
  return { arenaBytes: layout.sizeBytes, parkedBytes, microBatches };
}

/** Makes the plan of a config with a number of micro-batches. Throws a UsageError if the memory of
 * the run would not fit, unless `mustFit` is false, for plans that are only inspected. */
export function planRun(config: RunConfig, { mustFit = true } = {}): RunPlan {
  const { microBatches = 1 } = config;
  const plan = planParts(config, microBatches === 'auto' ? 1 : microBatches);
  if (fits(plan)) return plan;
  if (microBatches !== 'auto' && (!mustFit || plan.layout.sizeBytes <= MAX_ARENA_BYTES))
    return plan;
  const more = smallestFit(config, plan);
  if (more !== undefined && microBatches === 'auto') return more;
  if (!mustFit) return plan;
  if (more === undefined) throw tooLarge(plan.layout);
  const size = showBytes(more.layout.sizeBytes);
  const parked = more.parkedBytes > 0 ? ` and ${showBytes(more.parkedBytes)} beside it` : '';
  throw tooLarge(
    plan.layout,
    `microBatches: ${more.config.microBatches}, with which the arena has ${size}${parked}`,
  );
}

function fits({ layout, config }: RunPlan): boolean {
  return layout.sizeBytes <= Math.min(config.arenaBytes ?? MAX_ARENA_BYTES, MAX_ARENA_BYTES);
}

/** The plan with the fewest micro-batches that fits, if that of `tooLittle` does not. */
function smallestFit(config: RunConfig, tooLittle: RunPlan): RunPlan | undefined {
  if (config.trains === false) return undefined;
  const most = Math.max(...tooLittle.workers.map(({ grains: { lo, hi } }) => hi - lo));
  let found: RunPlan | undefined;
  let [tooFew, enough] = [tooLittle.workers[0]!.microBatches.length, most + 1];
  // Planning many takes longer, so few are tried first.
  while (enough - tooFew > 1) {
    const between = Math.floor((tooFew + enough) / 2);
    const tried = found === undefined ? Math.min(2 * tooFew, most) : between;
    const plan = planParts(config, tried);
    if (fits(plan)) [found, enough] = [plan, tried];
    else tooFew = tried;
  }
  return found;
}

function planParts(asked: RunConfig, microBatches: number): RunPlan {
  const config = { ...asked, microBatches };
  const built = buildGraph(config.model, config.data.inputShape);
  const fused = config.fuse === false ? built : fuseGraph(built, { trains: config.trains });
  const graph =
    config.trains === false ? freezeWhole(fused) : freezeGraph(fused, config.freeze ?? []);
  const parameters = planParameters(graph, config.parameterGroups);
  const cut = cutOf(graph, config);
  const grains = planGrains(cut, config.place ?? { process: 0, workers: [config.workers] });
  const { stepsPerEpoch, lastBatch } = planEpoch({
    countSamples: config.data.countTrain,
    globalBatch: config.globalBatch,
    dropLast: config.dropLast,
  });
  const builder = new LayoutBuilder();
  // Regions that do not depend on the workers come first, so they stay in place when the workers
  // change.
  const kept = {
    data: placeData(builder, config),
    inference: placeInference(builder, config),
    parameters: placeParameters(builder, config, parameters),
  };
  const copies = placeUndoCopies(builder, config, parameters);
  const regions = { ...kept, control: placeControl(builder, config, grains) };
  const undo = copies && { ...copies, stamps: placeStamps(builder, config.workers) };
  const reductions = new Map<string, ReductionPlan>();
  const exchanging = new Set<LayerOperation>();
  const isNeeded = gradientsNeeded(graph);
  for (const { operation, declared } of reductionsOf(graph)) {
    const name = reductionName(operation.path, declared.name);
    const planned = planReduction(builder, name, declared, grains);
    reductions.set(name, planned);
    // Backward only exchanges the sums of layers with an input gradient that is needed.
    const exchanges = planned.between !== undefined && isNeeded[operation.input];
    if (declared.combine === 'sums' && exchanges) exchanging.add(operation);
  }
  const unfinished = planWorkers(builder, {
    ...{ config, microBatches, graph, parameters, grains, reductions },
  });
  const gradients = planGradients(builder, {
    ...{ parameters, grains, workers: unfinished },
    gradients: regions.parameters.gradients,
    parts: partsOf(graph, parameters.blocks, (operation) => exchanging.has(operation)),
  });
  const { diagnosticsEvery: every, replicas } = config;
  const diagnostics = planDiagnostics(builder, graph, { every, replicas }, grains);
  const gradientNorms = planGradientNorms(builder, parameters, every);
  const populations = planPopulations(builder, graph, grains);
  const profile =
    config.profile === true
      ? planProfile(builder, graph.operations.length, config.workers, microBatches)
      : undefined;
  const workers = placeAllActivations(builder, graph, unfinished, config.arenaBytes);
  return {
    config,
    graph,
    parameters,
    grains,
    workers,
    gradients,
    regions,
    reductions,
    diagnostics,
    gradientNorms,
    populations,
    profile,
    undo,
    stepsPerEpoch,
    lastBatch,
    layout: builder.freeze(false),
    parkedBytes: workers
      .flatMap(({ storage }) => storage.parkedBytes)
      .reduce((sum, bytes) => sum + bytes, 0),
  };
}

/** Names of the operations, for errors; a layer's id is an index into them. */
export function layerNames(plan: RunPlan): readonly string[] {
  return plan.graph.operations.map((operation) => operation.path);
}

/** The worker that updates the buffers of a layer. */
export function buffersOwner({ config }: RunPlan, { index }: LayerOperation): number {
  return index % config.workers;
}
