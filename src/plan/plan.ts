// The plan of a run: from the config to every region of the arena, before anything runs. Main and
// workers make it alike, each for itself, so that only the config and the memory have to be sent.

import { planEpoch } from '../data/sampler.ts';
import { type Layout, LayoutBuilder } from '../memory/layout.ts';
import { cutOf } from '../nn/graph/cut.ts';
import { fuseGraph } from '../nn/graph/fuse.ts';
import { buildGraph, type Graph, type LayerOperation } from '../nn/graph/graph.ts';
import { planStorage } from '../nn/graph/storage.ts';
import { countRates, stateTensorsOf } from '../optim/bindOptimizer.ts';
import { EPOCH_LENGTH, GRAIN_SUMS, PUBLISHED_LENGTH } from '../reduce/epochSums.ts';
import {
  countGroups,
  type GrainPlan,
  planReduction,
  type ReductionPlan,
} from '../reduce/exchange.ts';
import { countTemporaries } from '../reduce/folds.ts';
import { type GrainCut, grainCapacity, grainRanges } from '../reduce/grains.ts';
import type { ReductionDeclaration } from '../reduce/reduction.ts';
import { coverNodes, type Span, treeDepth } from '../reduce/tree.ts';
import { controlWordCount } from '../sync/words.ts';
import { outputSizeOf, type RunConfig } from './config.ts';
import { type DiagnosticsPlan, planDiagnostics } from './diagnosticsPlan.ts';
import { planGradientNorms } from './gradientNormsPlan.ts';
import { BLOCK_LENGTH, type ParameterPlan, planParameters } from './parameters.ts';
import { type PopulationPlan, planPopulations } from './populationPlan.ts';
import { type ProfilePlan, planProfile } from './profilePlan.ts';
import { addScratch, planScratch, workspacesOf } from './scratch.ts';
import { planVotes } from './votesPlan.ts';
import type { WorkerPlan } from './workerPlan.ts';

export interface RunPlan {
  readonly config: RunConfig;
  readonly graph: Graph;
  readonly parameters: ParameterPlan;
  readonly grains: GrainPlan;
  readonly workers: readonly WorkerPlan[];
  /** All published nodes, in the order of their grains. */
  readonly nodes: readonly Span[];
  readonly reductions: ReadonlyMap<string, ReductionPlan>;
  /** Undefined without diagnostics. */
  readonly diagnostics: DiagnosticsPlan | undefined;
  readonly populations: readonly PopulationPlan[];
  /** Undefined without a profile. */
  readonly profile: ProfilePlan | undefined;
  readonly stepsPerEpoch: number;
  readonly lastBatch: number;
  readonly layout: Layout;
}

const BYTE_VALUES = 256;

/** Makes the plan. Throws a UsageError where the memory of the run would not fit. */
export function planRun(config: RunConfig): RunPlan {
  const built = buildGraph(config.model, config.data.inputShape);
  const graph = config.fuse === false ? built : fuseGraph(built);
  const parameters = planParameters(graph);
  const cut = cutOf(graph, config);
  const grains = { cut, ranges: grainRanges(cut, config.workers) };
  const workers = grains.ranges.map((_, rank) => planWorker(config, graph, grains, rank));
  const nodes = workers.flatMap((worker) => worker.nodes);
  const { stepsPerEpoch, lastBatch } = planEpoch({
    countSamples: config.data.countTrain,
    globalBatch: config.globalBatch,
    dropLast: config.dropLast,
  });
  const builder = new LayoutBuilder();
  addControl(builder, config, cut);
  addData(builder, config);
  addParameters(builder, config, parameters, nodes);
  for (const worker of workers) addWorker(builder, config, graph, parameters, worker, cut);
  const reductions = new Map<string, ReductionPlan>();
  for (const { operation, declared } of reductionsOf(graph)) {
    const name = reductionName(operation.path, declared.name);
    reductions.set(name, planReduction(builder, name, declared, grains));
  }
  const { diagnosticsEvery: every, replicas } = config;
  const diagnostics = planDiagnostics(builder, graph, { every, replicas }, grains);
  planGradientNorms(builder, parameters, every);
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
    nodes,
    reductions,
    diagnostics,
    populations,
    profile,
    stepsPerEpoch,
    lastBatch,
    layout: builder.freeze(),
  };
}

/** Names of the operations, for errors; a layer's id is an index into them. */
export function layerNames(plan: RunPlan): readonly string[] {
  return plan.graph.operations.map((operation) => operation.path);
}

/** The name of a layer's reduction in the plan. */
export function reductionName(path: string, name: string): string {
  return `${path}.${name}`;
}

/** The regions of a gradient node. */
export function nodeRegions(node: Span): { readonly narrow: string; readonly wide: string } {
  const name = `gradients.node ${node.lo}..${node.hi}`;
  return { narrow: `${name}.f32`, wide: `${name}.f64` };
}

function planWorker(
  config: RunConfig,
  graph: Graph,
  { cut, ranges }: GrainPlan,
  rank: number,
): WorkerPlan {
  const grains = ranges[rank]!;
  const size = {
    capacity: grainCapacity(cut, config.globalBatch, grains),
    countGrains: grains.hi - grains.lo,
    countGroups: (groupReplicas: number) => countGroups(cut, grains, groupReplicas),
  };
  return {
    rank,
    grains,
    size,
    storage: planStorage(graph, size.capacity),
    scratch: planScratch(graph, size),
    nodes: coverNodes({ lo: 0, hi: cut.count }, grains),
  };
}

function* reductionsOf(
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

function addControl(builder: LayoutBuilder, config: RunConfig, cut: GrainCut): void {
  const shape = [controlWordCount(config.workers)];
  builder.add({ name: 'control', type: 'i32', shape, writer: 'each rank its own lines' });
  builder.add({ name: 'epoch.sums', type: 'f64', shape: [EPOCH_LENGTH], writer: 'rank 0' });
  builder.add({
    name: 'epoch.published',
    type: 'f64',
    shape: [PUBLISHED_LENGTH],
    writer: 'rank 0',
  });
  builder.add({
    name: 'grain.sums',
    type: 'f64',
    shape: [cut.count, GRAIN_SUMS],
    writer: 'the rank of the grain',
  });
  planVotes(builder, config.workers);
}

function addData(builder: LayoutBuilder, config: RunConfig): void {
  const { inputShape, inputType, task, countTrain, countTest, mean } = config.data;
  const isClass = task.kind === 'classification';
  const targetShape = isClass ? [] : task.targetShape;
  const targetType = isClass ? 'i32' : 'f32';
  const writer = 'main';
  for (const [split, count] of [
    ['train', countTrain],
    ['test', countTest],
  ] as const) {
    const inputs = { type: inputType, shape: [count, ...inputShape], writer } as const;
    builder.add({ name: `data.${split}.inputs`, ...inputs });
    const targets = { type: targetType, shape: [count, ...targetShape], writer } as const;
    builder.add({ name: `data.${split}.targets`, ...targets });
  }
  const channels = mean.length;
  const length = inputType === 'u8' ? BYTE_VALUES * channels : 2 * channels;
  builder.add({ name: 'data.normalization', type: 'f32', shape: [length], writer });
  builder.add({ name: 'data.order', type: 'i32', shape: [countTrain], writer: 'rank 0' });
  const countEvaluated = Math.max(countTrain, countTest, config.globalBatch);
  const perSample = { type: 'f64', shape: [countEvaluated, 2], writer: 'the rank of the sample' };
  builder.add({ name: 'evaluation.samples', ...perSample, type: 'f64' });
  const predicted = { type: 'f32', writer: 'main', shape: [config.globalBatch, ...inputShape] };
  builder.add({ name: 'predict.inputs', ...predicted, type: inputType });
  builder.add({
    name: 'predict.outputs',
    type: 'f32',
    shape: [config.globalBatch, outputSizeOf(task)],
    writer: 'the rank of the sample',
  });
}

function addParameters(
  builder: LayoutBuilder,
  config: RunConfig,
  parameters: ParameterPlan,
  nodes: readonly Span[],
): void {
  const writer = 'owner of the block';
  const shape = [parameters.length];
  builder.add({ name: 'parameters', type: 'f32', shape, writer });
  builder.add({ name: 'gradients', type: 'f32', shape, writer });
  for (let i = 0; i < stateTensorsOf(config.optimizer).length; i++) {
    builder.add({ name: `optimizer.state ${i}`, type: 'f32', shape, writer });
  }
  const buffers = { shape: [parameters.buffersLength], writer: 'owner of the layer' };
  builder.add({ name: 'buffers', type: 'f64', ...buffers });
  builder.add({
    name: 'gradients.squares',
    type: 'f64',
    shape: [parameters.blocks.length],
    writer,
  });
  for (const node of nodes) {
    const names = nodeRegions(node);
    const { narrow, wide } = parameters.nodeLengths;
    const of = { writer: `the rank of grain ${node.lo}` };
    builder.add({ name: names.narrow, type: 'f32', shape: [narrow], ...of });
    builder.add({ name: names.wide, type: 'f64', shape: [wide], ...of });
  }
}

function addWorker(
  builder: LayoutBuilder,
  config: RunConfig,
  graph: Graph,
  parameters: ParameterPlan,
  worker: WorkerPlan,
  cut: GrainCut,
): void {
  const { rank, size, storage, nodes } = worker;
  const { capacity } = size;
  const writer = `rank ${rank}`;
  const name = `rank ${rank}`;
  const activations = { shape: [storage.sizeBytes / 4], writer };
  builder.add({ name: `${name}.activations`, type: 'f32', ...activations });
  // The first level of a stack is a node.
  const depth = Math.max(...nodes.map(({ lo, hi }) => treeDepth(hi - lo))) - 1;
  const { narrow, wide } = parameters.leafLengths;
  builder.add({ name: `${name}.partials.f32`, type: 'f32', shape: [depth, narrow], writer });
  builder.add({ name: `${name}.partials.f64`, type: 'f64', shape: [depth, wide], writer });
  const temporaries = [countTemporaries(cut.count), BLOCK_LENGTH];
  builder.add({ name: `${name}.fold`, type: 'f64', shape: temporaries, writer });
  const { task } = config.data;
  const isClass = task.kind === 'classification';
  const targets = { shape: [capacity, isClass ? 1 : outputSizeOf(task)], writer };
  const rates = [countRates(config.optimizer)];
  builder.add({ name: `${name}.rates`, type: 'f64', shape: rates, writer });
  builder.add({ name: `${name}.targets`, type: isClass ? 'i32' : 'f32', ...targets });
  builder.add({ name: `${name}.losses`, type: 'f64', shape: [capacity], writer });
  builder.add({ name: `${name}.correct`, type: 'i32', shape: [capacity], writer });
  for (const { path, declared } of workspacesOf(graph, size)) {
    for (const { name: own, type, shape, isScratch } of declared) {
      if (!isScratch) builder.add({ name: `${name}.${path}.${own}`, type, shape, writer });
    }
  }
  addScratch(builder, worker);
}
