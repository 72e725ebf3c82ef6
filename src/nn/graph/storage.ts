// Where activations and their gradients lie: each is alive from its first to its last use in the
// step, and those that are never alive together share memory. Pure planning, in bytes for one
// worker's samples.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import type { LayerKind } from '../layers/layer.ts';
import type { LeafSpec } from '../specs/spec.ts';
import {
  endsOf,
  type Graph,
  inputsOf,
  type Operation,
  outputsOf,
  trainedParametersOf,
  type ValueId,
} from './graph.ts';
import { type ParkingPlan, planParking } from './parking.ts';
import { type Schedule, scheduleOf } from './schedule.ts';
import { layersSideBySide } from './sideBySide.ts';

/** Where one micro-batch has everything, in bytes from the start of its worker's activations. */
export interface StoragePlaces {
  readonly activationOffsetsBytes: readonly number[];
  /** Where the gradient of each value lies; -1 where nobody needs it. */
  readonly gradientOffsetsBytes: readonly number[];
  /** Of the workspaces that lie among the activations, by the names in the request. */
  readonly workspaceOffsetsBytes: ReadonlyMap<string, number>;
}

export interface StoragePlan extends Pick<ParkingPlan, 'sizeBytes' | 'moves' | 'parkedBytes'> {
  /** Of each micro-batch. */
  readonly places: readonly StoragePlaces[];
}

/** A workspace that is kept from forward to backward of the same samples. */
export interface KeptWorkspace {
  readonly name: string;
  /** Place of its operation. */
  readonly place: number;
  readonly sizeBytes: number;
}

/** How a worker's samples are cut; by default they are not. */
export interface StorageRequest {
  readonly schedule: Schedule;
  readonly microBatches: number;
  readonly workspaces: readonly KeptWorkspace[];
  readonly budgetBytes: number;
}

/** What is used at which stages. */
interface Block {
  readonly sizeBytes: number;
  readonly uses: number[];
  readonly isRewritten?: boolean;
}

/** Plans the memory of a worker whose micro-batches have up to `capacity` samples. */
export function planStorage(graph: Graph, capacity: number, request?: StorageRequest): StoragePlan {
  const { schedule, microBatches, workspaces, budgetBytes } = request ?? {
    schedule: scheduleOf(graph),
    microBatches: 1,
    workspaces: [],
    budgetBytes: Number.POSITIVE_INFINITY,
  };
  const stages = stagesOf(graph, schedule);
  const activations = activationBlocks(graph, stages, capacity);
  const gradients = gradientBlocks(graph, stages, capacity);
  const kept = workspaces.map(({ place, sizeBytes }) => ({
    ...{ sizeBytes, isRewritten: true },
    uses: [...stages.all('forward', place), ...stages.all('backward', place)],
  }));
  for (const [first, second] of placesSideBySide(graph)) {
    for (const [i, { place }] of workspaces.entries()) {
      if (place !== first) continue;
      kept[i]!.uses.push(...stages.all('forward', second), ...stages.all('backward', second));
    }
  }
  const blocks = [
    ...new Set<Block>([
      ...activations,
      ...gradients.filter((block) => block !== undefined),
      ...kept,
    ]),
  ];
  const { offsetsBytes, ...rest } = planParking({ blocks, schedule, microBatches, budgetBytes });
  const places = offsetsBytes.map((offsets): StoragePlaces => {
    const offsetOf = new Map(blocks.map((block, i) => [block, offsets[i]!]));
    return {
      activationOffsetsBytes: activations.map((block) => offsetOf.get(block)!),
      gradientOffsetsBytes: graph.shapes.map((_, value) => {
        const block = gradients[value];
        return block === undefined ? -1 : offsetOf.get(block)!;
      }),
      workspaceOffsetsBytes: new Map(
        workspaces.map(({ name }, i) => [name, offsetOf.get(kept[i]!)!]),
      ),
    };
  });
  return { ...rest, places };
}

/** The numbers of the stages of each pass. */
interface Stages {
  readonly loss: number;
  all(pass: 'forward' | 'backward', place: number): readonly number[];
  /** The stage with which a pass of an operation ends. */
  last(pass: 'forward' | 'backward', place: number): number;
}

function stagesOf({ operations }: Graph, schedule: Schedule): Stages {
  const passes = { forward: operations.map((): number[] => []), loss: [[] as number[]] };
  const numbers = { ...passes, backward: operations.map((): number[] => []) };
  for (const [number, { pass, place }] of schedule.flat().entries()) {
    numbers[pass][pass === 'loss' ? 0 : place]!.push(number);
  }
  return {
    loss: numbers.loss[0]![0]!,
    all: (pass, place) => numbers[pass][place]!,
    last: (pass, place) => numbers[pass][place]!.at(-1)!,
  };
}

function blockOf({ shapes }: Graph, value: ValueId, capacity: number): Block {
  return { sizeBytes: sizeOf(shapes[value]!) * capacity * FLOAT_BYTES, uses: [] };
}

/** Of each value the block of its activation. A pass reads in all of its parts and writes in the
 * last one. */
function activationBlocks(graph: Graph, stages: Stages, capacity: number): readonly Block[] {
  const { operations } = graph;
  const isNeeded = gradientsNeeded(graph);
  const blocks: Block[] = [blockOf(graph, 0, capacity)];
  // The samples are loaded before the first operation.
  blocks[0]!.uses.push(0);
  const use = (value: ValueId, at: readonly number[]): void => {
    blocks[value]!.uses.push(...at);
  };
  for (const [i, operation] of operations.entries()) {
    for (const value of inputsOf(operation)) use(value, stages.all('forward', i));
    const added = operation.op === 'layer' ? operation.addend?.value : undefined;
    if (added !== undefined) use(added, [stages.last('forward', i)]);
    const alias = aliased(operation);
    for (const value of outputsOf(operation)) {
      blocks[value] = alias === undefined ? blockOf(graph, value, capacity) : blocks[alias]!;
      use(value, [stages.last('forward', i)]);
    }
    if (!runsBackward(operation, isNeeded)) continue;
    const keeps = keptBy(operation);
    const backward = stages.all('backward', i);
    if (keeps.input) for (const value of inputsOf(operation)) use(value, backward);
    if (keeps.output) for (const value of outputsOf(operation)) use(value, backward);
  }
  for (const value of endsOf(graph)) use(value, [stages.loss]);
  // The first of two layers side by side may end with the second, and take its sums with it
  // (cutPasses.ts).
  for (const [first, second] of placesSideBySide(graph)) {
    const operation = operations[first]!;
    for (const value of inputsOf(operation)) {
      use(value, stages.all('forward', second));
      if (runsBackward(operation, isNeeded) && keptBy(operation).input) {
        use(value, stages.all('backward', second));
      }
    }
    for (const value of outputsOf(operation)) use(value, [stages.last('forward', second)]);
  }
  return blocks;
}

/** Of each value the block of its gradient, where that is needed. */
function gradientBlocks(
  graph: Graph,
  stages: Stages,
  capacity: number,
): readonly (Block | undefined)[] {
  const { operations } = graph;
  const isNeeded = gradientsNeeded(graph);
  const blocks: (Block | undefined)[] = graph.shapes.map(() => undefined);
  for (const value of endsOf(graph)) {
    if (!isNeeded[value]) continue;
    blocks[value] = blockOf(graph, value, capacity);
    blocks[value].uses.push(stages.loss);
  }
  for (let i = operations.length - 1; i >= 0; i--) {
    const operation = operations[i]!;
    for (const value of outputsOf(operation)) {
      blocks[value]?.uses.push(...stages.all('backward', i));
    }
    let own: Block | undefined;
    for (const value of inputsOf(operation)) {
      if (!isNeeded[value]) continue;
      if (sharesGradient(operation)) blocks[value] = blocks[outputsOf(operation)[0]!]!;
      else if (operation.op === 'join') blocks[value] = blockOf(graph, value, capacity);
      else blocks[value] = own ??= blockOf(graph, value, capacity);
      blocks[value]!.uses.push(stages.last('backward', i));
    }
  }
  for (const [first, second] of placesSideBySide(graph)) {
    for (const value of outputsOf(operations[first]!)) {
      blocks[value]?.uses.push(...stages.all('backward', second));
    }
  }
  return blocks;
}

function placesSideBySide(graph: Graph): readonly (readonly [number, number])[] {
  return layersSideBySide(graph).map(([first, second]) => [
    graph.operations.indexOf(first),
    graph.operations.indexOf(second),
  ]);
}

/** Whether the gradient of a value reaches any parameter before it that trains. */
export function gradientsNeeded(graph: Graph): readonly boolean[] {
  const needed: boolean[] = graph.shapes.map(() => false);
  for (const operation of graph.operations) {
    const trains = operation.op === 'layer' && trainedParametersOf(operation, graph).length > 0;
    const isReached = trains || inputsOf(operation).some((value) => needed[value]);
    for (const value of outputsOf(operation)) needed[value] = isReached;
  }
  return needed;
}

/** Whether an operation has a backward pass: not below the lowest layer that trains. */
export function runsBackward(operation: Operation, isNeeded: readonly boolean[]): boolean {
  return outputsOf(operation).some((value) => isNeeded[value]);
}

/** Which of its activations the backward pass of an operation reads. */
function keptBy(operation: Operation): LayerKind<LeafSpec>['keeps'] {
  if (operation.op === 'join') return { input: operation.kind.keepsInputs, output: false };
  if (operation.op !== 'layer') {
    return { input: false, output: operation.op === 'add' && operation.isRelu };
  }
  const { kind, spec, isRelu } = operation;
  const keepsRelu = isRelu && kind.fusesRelu?.(spec) === 'kept';
  return keepsRelu ? { ...kind.keeps, output: true } : kind.keeps;
}

/** Whether the gradient of the output is that of each input. */
function sharesGradient(operation: Operation): boolean {
  if (operation.op === 'add') return !operation.isRelu;
  return operation.op === 'layer' && aliased(operation) !== undefined;
}

/** The input that the outputs are under other names, where they are one. */
function aliased(operation: Operation): ValueId | undefined {
  if (operation.op === 'add') return operation.sum;
  if (operation.op === 'join') return undefined;
  return operation.op === 'fork' || operation.kind.isAlias === true ? operation.input : undefined;
}
