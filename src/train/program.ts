// The model bound to the addresses of one micro-batch: a flat list of operations that runs forward,
// and backward from its end. Everything is resolved here, once; the passes only make calls.

import { FLOAT_BYTES } from '../base/bytes.ts';
import { InvariantError } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';
import type { KernelExports } from '../kernels/exports.ts';
import { readBySample } from '../nn/graph/derive.ts';
import type { AddOperation, LayerOperation, Operation, ValueId } from '../nn/graph/graph.ts';
import { gradientsNeeded, runsBackward } from '../nn/graph/storage.ts';
import type { Binding, BoundLayer, BoundTensor, StepState } from '../nn/layers/layer.ts';
import { bindLayerDiagnosis } from '../observe/diagnostics.ts';
import { exchangingPairs } from '../plan/cuts.ts';
import { reductionName } from '../plan/declaredReductions.ts';
import { evalWeightOf } from '../plan/evalCorrection.ts';
import type { ParameterEntry } from '../plan/parameters.ts';
import { buffersOwner, type RunPlan } from '../plan/plan.ts';
import type { MicroBatchPlan, WorkerPlan } from '../plan/workerPlan.ts';
import { DERIVED } from '../plan/workspace.ts';
import {
  type CutPasses,
  cutPair,
  cutPasses,
  type ExchangingLayer,
  wholePass,
} from '../reduce/cutPasses.ts';
import {
  bindPartOfReduction,
  bindReduction,
  bindSharedExchange,
  isOfSeveral,
  type ReductionPlan,
} from '../reduce/exchange.ts';
import { bindGradientSink, type GradientSink } from '../reduce/gradientSink.ts';
import type { BoundReduction, Combine } from '../reduce/reduction.ts';
import type { Member } from '../sync/group.ts';

export interface BoundOperation extends CutPasses {
  /** Index of the layer's path among the plan's layer names. */
  readonly layerId: number;
}

export interface Program {
  readonly operations: readonly BoundOperation[];
  /** The tensor of each value in the graph. */
  readonly tensors: readonly BoundTensor[];
  readonly input: BoundTensor;
  readonly output: BoundTensor;
  /** Updates of running statistics, for the layers that this worker owns. */
  readonly bufferUpdates: readonly { readonly layerId: number; update(): void }[];
  /** The diagnostics of each layer, called in snapshot steps once all gradients are published. */
  readonly diagnoses: readonly (() => void)[];
}

export interface ProgramSetup {
  readonly plan: RunPlan;
  readonly worker: WorkerPlan;
  readonly microBatch: MicroBatchPlan;
  /** The reductions of the worker, by their names in the plan. */
  readonly reductions: ReadonlyMap<string, BoundReduction>;
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
  readonly member: Member;
  readonly step: StepState;
}

/** Binds the reductions of a worker, which its micro-batches share. */
export function bindReductions(
  plan: RunPlan,
  worker: WorkerPlan,
  kernels: KernelExports,
  member: Member,
): ProgramSetup['reductions'] {
  return new Map(
    [...plan.reductions].map(([name, planned]) => [
      name,
      bindReduction(planned, kernels, member, worker.grains),
    ]),
  );
}

/** Binds the model to a micro-batch. */
export function bindProgram(setup: ProgramSetup): Program {
  const { plan, worker, microBatch } = setup;
  const { graph } = plan;
  const basePtr = worker.regions.activations.offsetBytes;
  const tensors = graph.shapes.map((shape, value): BoundTensor => {
    const gradient = microBatch.storage.gradientOffsetsBytes[value]!;
    return {
      shape,
      ptr: basePtr + microBatch.storage.activationOffsetsBytes[value]!,
      gradPtr: gradient < 0 ? 0 : basePtr + gradient,
    };
  });
  const diagnoses: (() => void)[] = [];
  const layers = new Map<LayerOperation, BoundLayer>();
  const derivers = bindDerivers(setup, layers);
  for (const operation of graph.operations) {
    if (operation.op !== 'layer') continue;
    const binding = bindingOf(setup, operation, tensors, diagnoses, derivers);
    layers.set(operation, operation.kind.bind(operation.spec, binding));
  }
  const passes = passesOf(setup, layers);
  const isNeeded = gradientsNeeded(graph);
  const operations: BoundOperation[] = [];
  const bufferUpdates: { layerId: number; update(): void }[] = [];
  for (const [layerId, operation] of graph.operations.entries()) {
    const own =
      operation.op === 'layer'
        ? passes.get(operation)!
        : cutPasses(bindJunction(setup, operation, tensors, derivers), () => setup.step.training);
    const backward = runsBackward(operation, isNeeded) ? own.backward : wholePass(() => {});
    operations.push({ layerId, forward: own.forward, backward });
    if (operation.op !== 'layer') continue;
    const bound = layers.get(operation)!;
    if (bound.updateBuffers !== undefined && buffersOwner(plan, operation) === worker.rank) {
      bufferUpdates.push({ layerId, update: () => bound.updateBuffers?.() });
    }
  }
  const ends = { input: tensors[0]!, output: tensors[graph.output]! };
  return { operations, tensors, ...ends, bufferUpdates, diagnoses };
}

/** The functions that derive values not stored until backward. */
interface Derivers {
  /** The function that recomputes a sample of a value; undefined if the value is stored. */
  of(value: ValueId): ((sample: number, toPtr: number) => void) | undefined;
  /** The tensor that an operation reads in backward. */
  readBy(operation: Operation, tensor: BoundTensor): BoundTensor;
}

function bindDerivers(
  { worker, microBatch }: ProgramSetup,
  layers: ReadonlyMap<LayerOperation, BoundLayer>,
): Derivers {
  const { derived } = worker.storage;
  const deriverOf: Derivers['of'] = (value) => {
    const maker = derived.get(value);
    return maker && layers.get(maker)!.derive;
  };
  return {
    of: deriverOf,
    readBy(operation, tensor) {
      const value = readBySample(operation);
      const derive = value === undefined ? undefined : deriverOf(value);
      if (derive === undefined) return tensor;
      const ptr = microBatch.workspace.get(`${operation.path}.${DERIVED}`)!;
      const sampleAt = (sample: number): number => {
        derive(sample, ptr);
        return ptr;
      };
      return { ...tensor, sampleAt, derive };
    },
  };
}

/** The passes of each layer, with one exchange for two layers side by side. */
function passesOf(
  { plan, kernels, member, step }: ProgramSetup,
  layers: ReadonlyMap<LayerOperation, BoundLayer>,
): ReadonlyMap<LayerOperation, CutPasses> {
  const isTraining = (): boolean => step.training;
  const passes = new Map<LayerOperation, CutPasses>();
  for (const [operation, bound] of layers) passes.set(operation, cutPasses(bound, isTraining));
  for (const pair of exchangingPairs(plan.graph)) {
    const bound = pair.map((operation) => layers.get(operation)!) as [BoundLayer, BoundLayer];
    const exchangeOf = (combine: Combine): (() => void) => {
      const [a, b] = pair.map(({ path }) => plan.reductions.get(reductionName(path, combine))!);
      return bindSharedExchange([a!, b!], kernels, member);
    };
    const exchanges = { forward: exchangeOf('moments'), backward: exchangeOf('sums') };
    const shared = cutPair(bound, exchanges, isTraining);
    for (const [i, operation] of pair.entries()) passes.set(operation, shared[i]!);
  }
  return passes;
}

/** Binds an operation that is not a layer: a fork shares its input forward and adds gradients
 * backward, an add adds forward and shares its gradient backward, other joins do what their kinds
 * say. */
function bindJunction(
  setup: ProgramSetup,
  operation: Exclude<Operation, LayerOperation>,
  tensors: readonly BoundTensor[],
  derivers: Derivers,
): ExchangingLayer {
  const { kernels, step } = setup;
  const lengthOf = (value: ValueId): number => sizeOf(tensors[value]!.shape);
  const nothing = (): void => {};
  if (operation.op === 'join') {
    const inputs = operation.inputs.map((value) => tensors[value]!);
    return operation.kind.bind({ kernels, step, inputs, output: tensors[operation.output]! });
  }
  if (operation.op === 'add') {
    const [a, b] = operation.inputs.map((value) => tensors[value]!.ptr) as [number, number];
    const { ptr } = tensors[operation.output]!;
    const length = lengthOf(operation.output);
    if (operation.isRelu) {
      const output = derivers.readBy(operation, tensors[operation.output]!);
      return bindAddRelu(setup, operation, tensors, output);
    }
    return {
      forward: () => {
        if (operation.sum === undefined) kernels.addF32(ptr, a, b, step.countSamples * length);
      },
      backward: nothing,
    };
  }
  const [a, b, ...rest] = operation.outputs.map((value) => tensors[value]!.gradPtr);
  const { gradPtr } = tensors[operation.input]!;
  const length = lengthOf(operation.input);
  return {
    forward: nothing,
    backward: () => {
      if (gradPtr === 0) return;
      const count = step.countSamples * length;
      kernels.addF32(gradPtr, a!, b!, count);
      for (const other of rest) kernels.addF32(gradPtr, gradPtr, other, count);
    },
  };
}

/** Binds the end of a residual with the relu after it. Its inputs share one gradient: that of the
 * output at elements that the relu lets through. */
function bindAddRelu(
  setup: ProgramSetup,
  operation: AddOperation,
  tensors: readonly BoundTensor[],
  { ptr, gradPtr, shape, sampleAt }: BoundTensor,
): ExchangingLayer {
  const { kernels, step } = setup;
  const [a, b] = operation.inputs.map((value) => tensors[value]!) as [BoundTensor, BoundTensor];
  const inputGradPtr = Math.max(a.gradPtr, b.gradPtr);
  const length = sizeOf(shape);
  return {
    forward: () => {
      if (operation.sum !== undefined) return;
      kernels.addReluF32(ptr, a.ptr, b.ptr, step.countSamples * length);
    },
    backward: () => {
      if (inputGradPtr === 0) return;
      if (sampleAt === undefined) {
        kernels.reluGradF32(gradPtr, ptr, inputGradPtr, step.countSamples * length);
        return;
      }
      for (let sample = 0; sample < step.countSamples; sample++) {
        const at = sample * length * FLOAT_BYTES;
        kernels.reluGradF32(gradPtr + at, sampleAt(sample), inputGradPtr + at, length);
      }
    },
  };
}

function bindingOf(
  setup: ProgramSetup,
  operation: LayerOperation,
  tensors: readonly BoundTensor[],
  diagnoses: (() => void)[],
  derivers: Derivers,
): Binding {
  const { plan, microBatch, kernels, memory, step } = setup;
  const { path, addend } = operation;
  const { regions, parameters, config } = plan;
  const input = tensors[operation.input]!;
  const sinks = new Map<string, GradientSink>();
  for (const entry of parameters.entries) {
    if (entry.layerPath === path && entry.isTrained) sinks.set(entry.name, sinkOf(setup, entry));
  }
  const reductions = new Map<string, BoundReduction>();
  const find = <T extends { readonly name: string }>(table: readonly T[], name: string): T => {
    const entry = table.find((candidate) => candidate.name === `${path}.${name}`);
    if (entry === undefined) throw new InvariantError('tensor', `${path}.${name}`, 'a planned one');
    return entry;
  };
  return {
    path,
    index: operation.index,
    kernels,
    memory,
    step,
    ...microBatch.size,
    firstGrain: microBatch.grains.lo,
    seed: config.seed,
    evalWeight: evalWeightOf(operation.spec, config),
    input: derivers.readBy(operation, input),
    output: tensors[operation.output]!,
    isRelu: operation.isRelu,
    addend: addend && {
      ptr: tensors[addend.value]!.ptr,
      isRelu: addend.isRelu,
      derive: derivers.of(addend.value),
    },
    parameterPtr: (name) =>
      regions.parameters.values.offsetBytes + find(parameters.entries, name).offset * 4,
    gradient: (name) => sinks.get(find(parameters.entries, name).name),
    bufferPtr: (name) =>
      regions.parameters.buffers.offsetBytes + find(parameters.buffers, name).offset * 8,
    workspacePtr: (name) => {
      const ptr = microBatch.workspace.get(`${path}.${name}`);
      if (ptr !== undefined) return ptr;
      throw new InvariantError('workspace', `${path}.${name}`, 'a planned one');
    },
    reduction: (name) => {
      const planned = plan.reductions.get(reductionName(path, name));
      if (planned === undefined) throw new InvariantError('reduction', name, 'a planned one');
      const known = reductions.get(name);
      if (known !== undefined) return known;
      const bound = reductionOf(setup, planned);
      const diagnosed = bindLayerDiagnosis(bound, planned, input, setup);
      if (diagnosed !== undefined) diagnoses.push(diagnosed.diagnose);
      reductions.set(name, diagnosed?.reduction ?? bound);
      return reductions.get(name)!;
    },
  };
}

/** The reduction of the worker itself, if it has one micro-batch. */
function reductionOf(
  { worker, microBatch, reductions, kernels }: ProgramSetup,
  planned: ReductionPlan,
): BoundReduction {
  const ofWorker = reductions.get(planned.name)!;
  const { rank, grains } = worker;
  const parts = worker.microBatches.map((part) => part.grains);
  if (parts.length === 1) return ofWorker;
  const meets = isOfSeveral(planned, rank, parts);
  const of = { rank, grains, part: microBatch.grains, meets };
  return bindPartOfReduction(planned, kernels, ofWorker, of);
}

function sinkOf(setup: ProgramSetup, entry: ParameterEntry): GradientSink {
  const { plan, worker, microBatch, kernels } = setup;
  const { nodeLengths, leafLengths } = plan.parameters;
  const type = entry.isWide ? 'wide' : 'narrow';
  const bytes = entry.isWide ? 8 : 4;
  const partials = worker.regions.partials[type];
  const waiting = worker.regions.waiting?.[type];
  return bindGradientSink({
    kernels,
    length: entry.length,
    isWide: entry.isWide,
    nodes: worker.nodes.map((node) => ({
      ...node,
      ptr: node[type].offsetBytes + entry.nodeOffset * bytes,
    })),
    grains: microBatch.grains,
    waiting: {
      ptr: (waiting?.offsetBytes ?? 0) + entry.nodeOffset * bytes,
      levelBytes: nodeLengths[type] * bytes,
      count: waiting?.shape[0] ?? 0,
    },
    stack: {
      ptr: partials.offsetBytes + entry.leafOffset * bytes,
      levelBytes: leafLengths[type] * bytes,
    },
  });
}
