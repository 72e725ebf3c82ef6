// The plan of a run: from the config to every region of the arena, before anything runs. Main and
// workers make it alike, each for itself, so that only the config and the memory have to be sent.

import { planEpoch } from '../data/loading/sampler.ts';
import { type Layout, LayoutBuilder } from '../memory/layout.ts';
import { cutOf } from '../nn/graph/cut.ts';
import { derivedValues } from '../nn/graph/derive.ts';
import { freezeGraph, freezeWhole } from '../nn/graph/freeze.ts';
import { fuseGraph } from '../nn/graph/fuse.ts';
import { buildGraph, type Graph, type LayerOperation } from '../nn/graph/graph.ts';
import { gradientsNeeded, planStorage } from '../nn/graph/storage.ts';
import { countGroups, planReduction, type ReductionPlan } from '../reduce/exchange.ts';
import { type GrainPlan, grainCapacity, planGrains } from '../reduce/grains.ts';
import type { ReductionDeclaration } from '../reduce/reduction.ts';
import { coverNodes } from '../reduce/tree.ts';
import type { RunConfig } from './config.ts';
import { type DiagnosticsPlan, planDiagnostics } from './diagnosticsPlan.ts';
import { type GradientNormsPlan, planGradientNorms } from './gradientNormsPlan.ts';
import { partsOf } from './gradientParts.ts';
import { type GradientPlan, planGradients } from './gradients.ts';
import { type ParameterPlan, planParameters } from './parameters.ts';
import { type PopulationPlan, planPopulations } from './populationPlan.ts';
import { type ProfilePlan, planProfile } from './profilePlan.ts';
import {
  placeControl,
  placeData,
  placeInference,
  placeNode,
  placeParameters,
  placeWorker,
  type RunRegions,
} from './regions.ts';
import { placeStamps, placeUndoCopies, type UndoPlan } from './undoPlan.ts';
import type { WorkerPlan } from './workerPlan.ts';
import { placeWorkspace } from './workspace.ts';

export interface RunPlan {
  readonly config: RunConfig;
  readonly graph: Graph;
  readonly parameters: ParameterPlan;
  readonly grains: GrainPlan;
  /** Of this process. */
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
  /** Undefined for runs that a worker's death ends. */
  readonly undo: UndoPlan | undefined;
  readonly stepsPerEpoch: number;
  readonly lastBatch: number;
  readonly layout: Layout;
}

/** Makes the plan. Throws a UsageError where the memory of the run would not fit, unless `mustFit`
 * is false: for a plan to look at. */
export function planRun(config: RunConfig, { mustFit = true } = {}): RunPlan {
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
  // What does not depend on the workers comes first: it stays where it is when they change.
  const kept = {
    data: placeData(builder, config),
    inference: placeInference(builder, config),
    parameters: placeParameters(builder, config, parameters),
  };
  const copies = placeUndoCopies(builder, config, parameters);
  const regions = { ...kept, control: placeControl(builder, config, grains) };
  const undo = copies && { ...copies, stamps: placeStamps(builder, config.workers) };
  const workers = grains.ranges.map((_, rank) =>
    planWorker(builder, { config, graph, parameters, grains }, rank),
  );
  const reductions = new Map<string, ReductionPlan>();
  const exchanging = new Set<LayerOperation>();
  const isNeeded = gradientsNeeded(graph);
  for (const { operation, declared } of reductionsOf(graph)) {
    const name = reductionName(operation.path, declared.name);
    const planned = planReduction(builder, name, declared, grains);
    reductions.set(name, planned);
    // Backward exchanges the sums of the layers alone whose input gradient is needed.
    const exchanges = planned.between !== undefined && isNeeded[operation.input];
    if (declared.combine === 'sums' && exchanges) exchanging.add(operation);
  }
  const gradients = planGradients(builder, {
    ...{ parameters, grains, workers },
    gradients: regions.parameters.gradients,
    parts: partsOf(graph, parameters.blocks, (operation) => exchanging.has(operation)),
  });
  const { diagnosticsEvery: every, replicas } = config;
  const diagnostics = planDiagnostics(builder, graph, { every, replicas }, grains);
  const gradientNorms = planGradientNorms(builder, parameters, every);
  const populations = planPopulations(builder, graph, grains);
  const profile =
    config.profile === true
      ? planProfile(builder, graph.operations.length, config.workers)
      : undefined;
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
    layout: builder.freeze(mustFit),
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

/** The name of a layer's reduction in the plan. */
export function reductionName(path: string, name: string): string {
  return `${path}.${name}`;
}

function planWorker(
  builder: LayoutBuilder,
  of: {
    readonly config: RunConfig;
    readonly graph: Graph;
    readonly parameters: ParameterPlan;
    readonly grains: GrainPlan;
  },
  rank: number,
): WorkerPlan {
  const { config, graph, parameters } = of;
  const { cut, ranges } = of.grains;
  const grains = ranges[rank]!;
  const size = {
    capacity: grainCapacity(cut, config.globalBatch, grains),
    countGrains: grains.hi - grains.lo,
    countGroups: (groupReplicas: number) => countGroups(cut, grains, groupReplicas),
  };
  const storage = planStorage(graph, size.capacity, derivedValues(graph));
  const nodes = coverNodes({ lo: 0, hi: cut.count }, grains);
  const sizes = { rank, capacity: size.capacity, activationBytes: storage.sizeBytes, nodes };
  return {
    rank,
    grains,
    size,
    storage,
    nodes: nodes.map((node) => placeNode(builder, parameters, node)),
    regions: placeWorker(builder, config, parameters, cut, sizes),
    workspace: placeWorkspace(builder, { graph, size, rank, derived: storage.derived }),
  };
}

/** The reductions of all layers, in the order in which they run forward. */
export function* reductionsOf(
  graph: Graph,
): Generator<{ operation: LayerOperation; declared: ReductionDeclaration }> {
  for (const operation of graph.operations) {
    if (operation.op !== 'layer') continue;
    const { kind, spec, input } = operation;
    for (const declared of kind.reductions?.(spec, graph.shapes[input]!) ?? []) {
      yield { operation, declared };
    }
  }
}
