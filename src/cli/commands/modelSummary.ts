// A model in numbers, for `syncbn summary`: output and cost of each layer, and what a step takes:
// memory according to the plan of its arena, and exchanges according to plans with each replica in
// a separate process.

import { type Shape, sizeOf } from '../../base/shape.ts';
import { MAX_ARENA_BYTES, type Region } from '../../memory/layout.ts';
import { isNorm, normChannels } from '../../nn/convert/normLeaf.ts';
import { buffersOf, buildGraph, type Graph, parametersOf } from '../../nn/graph/graph.ts';
import { crossEntropy, meanSquaredError } from '../../nn/specs/losses.ts';
import { headNames } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import { constant } from '../../optim/schedule.ts';
import { checkRunConfig, type RunConfig } from '../../plan/config.ts';
import { stepExchanges, trafficOf } from '../../plan/exchanges.ts';
import { memoryOf, planRun, type RunMemory, type RunPlan } from '../../plan/plan.ts';
import type { WorkerPlan } from '../../plan/workerPlan.ts';
import { defaultGrains } from '../../reduce/grains.ts';
import { configOf } from '../../runtime/resume.ts';
import { DEFAULT_SEED } from '../../runtime/trainerOptions.ts';
import { describeNetwork, totalsOf } from '../../simulate/network.ts';
import { DEFAULT_TIMEOUT_MS } from '../../sync/words.ts';
import { type AskedModel, neededInput } from '../settings/askedModel.ts';

/** A layer, or a join of several values. */
export interface LayerSummary {
  readonly path: string;
  readonly kind: string;
  readonly outputShape: Shape;
  readonly parameters: number;
  readonly buffers: number;
  /** Per sample, forward. */
  readonly multiplyAdds: number;
  /** 0 if it does not normalize. */
  readonly normChannels: number;
}

/** Bytes of the arena of a run on one worker, without a dataset, by purpose. */
export interface MemorySummary {
  readonly total: number;
  /** Outputs of layers and their gradients. */
  readonly activations: number;
  /** The activations kept for backward while the loss runs. */
  readonly keptForBackward: number;
  /** Additional activations that would be kept if backward did not derive them. */
  readonly derivedInBackward: number;
  readonly parametersAndBuffers: number;
  /** Including the partial sums that they are folded from. */
  readonly gradients: number;
  readonly optimizerState: number;
  /** Layer workspace, the batch, control words. */
  readonly rest: number;
  /** Whether an arena can be this large. */
  readonly fits: boolean;
  /** If it does not fit, the fewest micro-batches that do, and their memory; null if none do. */
  readonly fitting: RunMemory | null;
}

/** What a worker exchanges in a step if each replica is a worker in a separate process. */
export interface ExchangeSummary {
  readonly statistics: number;
  readonly gradients: number;
  readonly statisticsBytes: number;
  readonly gradientsBytes: number;
}

export interface ModelSummary {
  readonly model: string;
  readonly inputShape: Shape;
  readonly outputShape: Shape;
  readonly layers: readonly LayerSummary[];
  readonly parameters: { readonly trained: number; readonly frozen: number };
  readonly buffers: number;
  readonly normLayers: number;
  readonly normChannels: number;
  /** Per sample: forward; and forward and backward if all parameters train. */
  readonly multiplyAdds: number;
  readonly flopsForward: number;
  readonly flopsForwardBackward: number;
  readonly batch: number;
  readonly replicas: number;
  readonly memoryBytes: MemorySummary;
  readonly exchanges: ExchangeSummary;
}

export function summarize(asked: AskedModel): ModelSummary {
  const { name, model, batch, replicas } = asked;
  const inputShape = neededInput(asked);
  const graph = buildGraph(model, inputShape);
  const network = describeNetwork(name, model, inputShape);
  const { macsForward, ...norms } = totalsOf(network);
  const sum = (of: (operation: (typeof network.operations)[number]) => number): number =>
    network.operations.reduce((total, operation) => total + of(operation), 0);
  const config = configFor(asked, inputShape, graph.shapes[graph.output]!);
  checkRunConfig(config);
  const plan = planRun(config, { mustFit: false });
  const { entries } = plan.parameters;
  const count = (isTrained: boolean): number =>
    entries.reduce((total, entry) => total + (entry.isTrained === isTrained ? entry.length : 0), 0);
  return {
    model: name,
    inputShape,
    outputShape: graph.shapes[graph.output]!,
    layers: layersOf(graph),
    parameters: { trained: count(true), frozen: count(false) },
    buffers: plan.parameters.buffers.reduce((total, { length }) => total + length, 0),
    normLayers: norms.normLayers,
    normChannels: norms.normChannels,
    multiplyAdds: macsForward,
    flopsForward: sum(({ flopsForward }) => flopsForward),
    flopsForwardBackward: sum((one) => one.flopsForward + one.flopsBackward),
    batch,
    replicas,
    memoryBytes: memoryParts(plan),
    exchanges: exchangesOf(config),
  };
}

function layersOf(graph: Graph): readonly LayerSummary[] {
  const { shapes } = graph;
  return graph.operations.flatMap((operation): LayerSummary[] => {
    if (operation.op === 'fork') return [];
    const { path } = operation;
    const outputShape = shapes[operation.output]!;
    const nothing = { parameters: 0, buffers: 0, multiplyAdds: 0, normChannels: 0 };
    if (operation.op === 'add') return [{ path, kind: 'add', outputShape, ...nothing }];
    if (operation.op === 'join') {
      return [{ path, kind: operation.kind.kind, outputShape, ...nothing }];
    }
    const { kind, spec, input } = operation;
    return [
      {
        path,
        kind: spec.kind,
        outputShape,
        parameters: elementsOf(parametersOf(operation, graph)),
        buffers: elementsOf(buffersOf(operation, graph)),
        multiplyAdds: kind.multiplyAdds?.(spec, shapes[input]!, outputShape) ?? 0,
        normChannels: isNorm(spec) ? normChannels(spec) : 0,
      },
    ];
  });
}

function elementsOf(tensors: readonly { readonly shape: Shape }[]): number {
  return tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** A run of the model with a dataset of one batch: the checkpoint's, or one that train would
 * start. */
function configFor(
  { model, saved, batch, replicas }: AskedModel,
  inputShape: Shape,
  outputShape: Shape,
): RunConfig {
  const run = { globalBatch: batch, replicas };
  const counts = { countTrain: batch, countTest: 0 };
  if (saved !== undefined) {
    const { shards: _shards, validationSplit: _split, ...kept } = configOf(saved, model, 1);
    const { countValidation: _held, weighted: _weighted, ...data } = kept.data;
    return { ...kept, ...run, data: { ...data, inputShape, ...counts } };
  }
  const classes = outputShape.length === 1 && outputShape[0]! > 1 ? outputShape[0]! : undefined;
  const channels = inputShape.at(-1)!;
  const loss = classes === undefined ? meanSquaredError() : crossEntropy();
  return {
    ...run,
    model,
    data: {
      inputShape,
      inputType: 'f32',
      task:
        classes === undefined
          ? { kind: 'regression', targetShape: outputShape }
          : { kind: 'classification', classes },
      mean: new Array<number>(channels).fill(0),
      std: new Array<number>(channels).fill(1),
      ...counts,
    },
    loss,
    heads: headNames(model).map((name) => ({ name, loss, weight: 1 })),
    optimizer: sgd({ lr: 0.1, momentum: 0.9 }),
    schedule: constant(),
    clipNorm: null,
    workers: 1,
    dropLast: false,
    shuffle: true,
    augmentation: null,
    seed: DEFAULT_SEED,
    mode: 'fast',
    timeoutMs: DEFAULT_TIMEOUT_MS,
    diagnosticsEvery: 0,
  };
}

function fittingOf(config: RunConfig): MemorySummary['fitting'] {
  const plan = planRun({ ...config, microBatches: 'auto' }, { mustFit: false });
  const memory = memoryOf(plan);
  return memory.arenaBytes > MAX_ARENA_BYTES ? null : memory;
}

function memoryParts({ config, layout, regions, workers }: RunPlan): MemorySummary {
  const { parameters } = regions;
  const bytes = (of: readonly (Region | undefined)[]): number =>
    of.reduce((sum, region) => sum + (region?.sizeBytes ?? 0), 0);
  const total = layout.sizeBytes;
  const nodes = workers.flatMap((worker) => worker.nodes);
  const partials = workers.map((worker) => worker.regions.partials);
  const parts = {
    activations: bytes(workers.map((worker) => worker.regions.activations)),
    parametersAndBuffers: bytes([parameters.values, parameters.buffers]),
    gradients: bytes([
      parameters.gradients,
      ...[...nodes, ...partials].flatMap(({ narrow, wide }) => [narrow, wide]),
    ]),
    optimizerState: bytes(parameters.optimizerState),
  };
  const known = Object.values(parts).reduce((sum, size) => sum + size, 0);
  const sum = (of: (storage: WorkerPlan['storage']) => number): number =>
    workers.reduce((bytes, { storage }) => bytes + of(storage), 0);
  const fits = total <= MAX_ARENA_BYTES;
  return {
    total,
    ...parts,
    keptForBackward: sum(({ keptBytes }) => keptBytes),
    derivedInBackward: sum(({ sparedBytes }) => sparedBytes),
    rest: total - known,
    fits,
    fitting: fits ? null : fittingOf(config),
  };
}

/** For the first of them. With more replicas than grains, there is one grain per replica. */
function exchangesOf(config: RunConfig): ExchangeSummary {
  const { replicas, globalBatch } = config;
  const grains = Math.max(config.grains ?? defaultGrains(globalBatch), replicas);
  const place = { process: 0, workers: new Array<number>(replicas).fill(1) };
  const apart: RunConfig = { ...config, grains, ...(replicas > 1 && { place }) };
  checkRunConfig(apart);
  const exchanges = stepExchanges(planRun(apart, { mustFit: false })).map((exchange) => {
    const { sentBytes, receivedBytes } = trafficOf(exchange);
    const isOfNorms = exchange.part === 'statistics';
    return { isOfNorms, bytes: Math.max(sentBytes, receivedBytes) };
  });
  const [statistics, gradients] = [true, false].map((ofNorms) => {
    const own = exchanges.filter(({ isOfNorms }) => isOfNorms === ofNorms);
    return { count: own.length, bytes: own.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
  return {
    statistics: statistics!.count,
    gradients: gradients!.count,
    statisticsBytes: statistics!.bytes,
    gradientsBytes: gradients!.bytes,
  };
}
