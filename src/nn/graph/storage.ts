// Plans the memory of activations and their gradients: each is live from its first to its last use
// in the step, and those that are never live together share memory. Pure planning, in bytes for one
// worker's samples.

import { ALIGN_BYTES, alignUp, FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import type { LayerKind } from '../layers/layer.ts';
import type { LeafSpec } from '../specs/spec.ts';
import {
  endsOf,
  type Graph,
  inputsOf,
  type LayerOperation,
  type Operation,
  outputsOf,
  trainedParametersOf,
  type ValueId,
} from './graph.ts';
import { type ParkingPlan, planParking } from './parking.ts';
import { type Schedule, scheduleOf } from './schedule.ts';
import { layersSideBySide } from './sideBySide.ts';

/** The offsets of one micro-batch's data, in bytes from the start of its worker's activations. */
export interface StoragePlaces {
  readonly activationOffsetsBytes: readonly number[];
  /** The offset of each value's gradient; -1 if it is not needed. */
  readonly gradientOffsetsBytes: readonly number[];
  /** The offsets of the workspaces among the activations, by their names in the request. */
  readonly workspaceOffsetsBytes: ReadonlyMap<string, number>;
}

export interface StoragePlan extends Pick<ParkingPlan, 'sizeBytes' | 'moves' | 'parkedBytes'> {
  /** The places of each micro-batch. */
  readonly places: readonly StoragePlaces[];
  /** The part of it that values take that are kept for backward when the loss runs. */
  readonly keptBytes: number;
  /** The additional bytes that values would take if backward did not derive them. */
  readonly sparedBytes: number;
  /** The values that are not stored for backward, by the layers that derive them (derive.ts). */
  readonly derived: ReadonlyMap<ValueId, LayerOperation>;
}

/** A workspace that is kept from forward to backward of the same samples. */
export interface KeptWorkspace {
  readonly name: string;
  /** Index of its operation. */
  readonly place: number;
  readonly sizeBytes: number;
}

/** How a worker's samples are cut. By default they are not. */
export interface StorageRequest {
  readonly schedule: Schedule;
  readonly microBatches: number;
  readonly workspaces: readonly KeptWorkspace[];
  readonly budgetBytes: number;
}

/** A block of memory, and the stages that use it. */
interface Block {
  readonly sizeBytes: number;
  readonly uses: number[];
  isRewritten?: boolean;
}

/** Plans the memory of a worker for micro-batches of up to `capacity` samples. Backward does not
 * find values that are `derived` (derive.ts). */
export function planStorage(
  graph: Graph,
  capacity: number,
  derived: ReadonlyMap<ValueId, LayerOperation>,
  request?: StorageRequest,
): StoragePlan {
  const { schedule, microBatches, workspaces, budgetBytes } = request ?? {
    schedule: scheduleOf(graph),
    microBatches: 1,
    workspaces: [],
    budgetBytes: Number.POSITIVE_INFINITY,
  };
  const planned = { graph, stages: stagesOf(graph, schedule), capacity };
  const { activations, spared, derivations } = activationBlocks(planned, derived);
  const isKept = ({ uses }: Block): boolean => Math.max(...uses) > planned.stages.loss;
  const waiting = [...new Set(activations)].filter(isKept);
  const gradients = gradientBlocks(planned, activations);
  const kept = workspaceBlocks(planned, workspaces, derivations);
  const needed = gradients.filter((block) => block !== undefined);
  const blocks = [...new Set<Block>([...activations, ...needed, ...kept])];
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
  return {
    ...rest,
    places,
    keptBytes: microBatches * bytesOf(waiting),
    sparedBytes: microBatches * bytesOf(spared),
    derived,
  };
}

function bytesOf(blocks: Iterable<Block>): number {
  return [...blocks].reduce(
    (sum, { sizeBytes }) => sum + alignUp(sizeBytes + ALIGN_BYTES, ALIGN_BYTES),
    0,
  );
}

/** The numbers of the stages of each pass. */
interface Stages {
  readonly loss: number;
  all(pass: 'forward' | 'backward', place: number): readonly number[];
  /** The last stage of a pass of an operation. */
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

/** The model and samples to plan for. */
interface Planned {
  readonly graph: Graph;
  readonly stages: Stages;
  readonly capacity: number;
}

function blockOf({ graph, capacity }: Planned, value: ValueId): Block {
  return { sizeBytes: sizeOf(graph.shapes[value]!) * capacity * FLOAT_BYTES, uses: [] };
}

/** A layer that derives what it wrote, and when. */
interface Derivation {
  readonly maker: LayerOperation;
  readonly stages: readonly number[];
}

/** The memory of each value and when it is used, including values that are derived instead. A pass
 * reads in all of its parts and writes in the last one. */
function activationBlocks(
  planned: Planned,
  derived: ReadonlyMap<ValueId, LayerOperation>,
): {
  readonly activations: readonly Block[];
  readonly spared: ReadonlySet<Block>;
  readonly derivations: readonly Derivation[];
} {
  const { graph, stages } = planned;
  const { operations } = graph;
  const isNeeded = gradientsNeeded(graph);
  const activations: Block[] = [blockOf(planned, 0)];
  const spared = new Set<Block>();
  const derivations: Derivation[] = [];
  // The samples are loaded before the first operation.
  activations[0]!.uses.push(0);
  const use = (value: ValueId, at: readonly number[]): void => {
    activations[value]!.uses.push(...at);
  };
  /** Records a read in backward. */
  const read = (value: ValueId, at: readonly number[]): void => {
    const maker = derived.get(value);
    if (maker === undefined) {
      use(value, at);
      return;
    }
    derivations.push({ maker, stages: at });
    read(maker.input, at);
    if (maker.addend !== undefined) read(maker.addend.value, at);
  };
  for (const [i, operation] of operations.entries()) {
    for (const value of inputsOf(operation)) use(value, stages.all('forward', i));
    const added = operation.op === 'layer' ? operation.addend?.value : undefined;
    if (added !== undefined) use(added, [stages.last('forward', i)]);
    const alias = aliased(operation);
    for (const value of outputsOf(operation)) {
      activations[value] = alias === undefined ? blockOf(planned, value) : activations[alias]!;
      use(value, [stages.last('forward', i)]);
    }
    if (!runsBackward(operation, isNeeded)) continue;
    const keeps = keptBy(operation);
    const values = [
      ...(keeps.input ? inputsOf(operation) : []),
      ...(keeps.output ? outputsOf(operation) : []),
    ];
    for (const value of values) {
      read(value, stages.all('backward', i));
      if (derived.has(value)) spared.add(activations[value]!);
    }
  }
  for (const value of endsOf(graph)) use(value, [stages.loss]);
  // The first of two layers side by side may end together with the second, which keeps its sums
  // until then (cutPasses.ts).
  for (const [first, second] of placesSideBySide(graph)) {
    const operation = operations[first]!;
    for (const value of inputsOf(operation)) {
      use(value, stages.all('forward', second));
      if (runsBackward(operation, isNeeded) && keptBy(operation).input) {
        read(value, stages.all('backward', second));
      }
    }
    for (const value of outputsOf(operation)) use(value, [stages.last('forward', second)]);
  }
  return { activations, spared, derivations };
}

/** The same for each gradient that is needed. */
function gradientBlocks(
  planned: Planned,
  activations: readonly Block[],
): readonly (Block | undefined)[] {
  const { graph, stages } = planned;
  const { operations } = graph;
  const isNeeded = gradientsNeeded(graph);
  const pairs = placesSideBySide(graph);
  const gradients: (Block | undefined)[] = [];
  /** Gradients that several values share, one of which may still be read. */
  const forSeveral = new Set<Block>();
  for (const value of endsOf(graph)) {
    if (!isNeeded[value]) continue;
    gradients[value] = blockOf(planned, value);
    gradients[value].uses.push(stages.loss);
  }
  for (let i = operations.length - 1; i >= 0; i--) {
    const operation = operations[i]!;
    const outputs = outputsOf(operation);
    const [first] = pairs.find(([, second]) => second === i) ?? [];
    const others = first === undefined ? [] : outputsOf(operations[first]!);
    for (const value of [...outputs, ...others]) {
      gradients[value]?.uses.push(...stages.all('backward', i));
    }
    const wanted = inputsOf(operation).filter((value) => isNeeded[value]);
    if (wanted.length === 0) continue;
    const last = stages.last('backward', i);
    const made = (): Block => ({ ...blockOf(planned, wanted[0]!), uses: [last] });
    if (operation.op === 'join') {
      for (const value of wanted) gradients[value] = { ...blockOf(planned, value), uses: [last] };
      continue;
    }
    const ending = overwritten(operation)
      .map(([type, value]) => (type === 'gradient' ? gradients[value] : activations[value]))
      .find((block) => block && Math.max(...block.uses) === last && !forSeveral.has(block));
    const own = sharesGradient(operation) ? gradients[outputs[0]!]! : (ending ?? made());
    if (own === ending) own.isRewritten = true;
    for (const value of wanted) gradients[value] = own;
    if (wanted.length > 1) forSeveral.add(own);
  }
  return gradients;
}

/** The workspaces that are kept from forward to backward. */
function workspaceBlocks(
  { graph, stages }: Planned,
  workspaces: readonly KeptWorkspace[],
  derivations: readonly Derivation[],
): readonly Block[] {
  const pairs = placesSideBySide(graph);
  return workspaces.map(({ place, sizeBytes }) => {
    const seconds = pairs.flatMap(([first, second]) => (first === place ? [second] : []));
    const uses = [place, ...seconds].flatMap((at) => [
      ...stages.all('forward', at),
      ...stages.all('backward', at),
    ]);
    const derives = derivations.filter(({ maker }) => maker === graph.operations[place]);
    return {
      sizeBytes,
      uses: [...uses, ...derives.flatMap((derivation) => derivation.stages)],
      isRewritten: true,
    };
  });
}

function placesSideBySide(graph: Graph): readonly (readonly [number, number])[] {
  return layersSideBySide(graph).map(([first, second]) => [
    graph.operations.indexOf(first),
    graph.operations.indexOf(second),
  ]);
}

/** Whether the gradient of a value reaches an earlier parameter that trains. */
export function gradientsNeeded(graph: Graph): readonly boolean[] {
  const needed: boolean[] = graph.shapes.map(() => false);
  for (const operation of graph.operations) {
    const trains = operation.op === 'layer' && trainedParametersOf(operation, graph).length > 0;
    const isReached = trains || inputsOf(operation).some((value) => needed[value]);
    for (const value of outputsOf(operation)) needed[value] = isReached;
  }
  return needed;
}

/** Whether an operation has a backward pass. Those before the first layer that trains have none. */
export function runsBackward(operation: Operation, isNeeded: readonly boolean[]): boolean {
  return outputsOf(operation).some((value) => isNeeded[value]);
}

/** Which of its activations the backward pass of an operation reads. */
export function keptBy(operation: Operation): LayerKind<LeafSpec>['keeps'] {
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

/** What the gradient of the input may overwrite, if it is no longer read. */
function overwritten(
  operation: Operation,
): readonly (readonly [type: 'gradient' | 'value', value: ValueId])[] {
  if (operation.op === 'fork') {
    return operation.outputs.slice(0, 2).map((value) => ['gradient', value]);
  }
  const isInPlace = operation.op === 'layer' ? operation.kind.gradientInPlace === true : true;
  if (!isInPlace) return [];
  const keeps = keptBy(operation);
  return [
    ['gradient', outputsOf(operation)[0]!],
    ...(keeps.input ? inputsOf(operation).map((value) => ['value', value] as const) : []),
    ...(keeps.output ? outputsOf(operation).map((value) => ['value', value] as const) : []),
  ];
}

/** The input that the outputs alias, if they do. */
export function aliased(operation: Operation): ValueId | undefined {
  if (operation.op === 'add') return operation.sum;
  if (operation.op === 'join') return undefined;
  return operation.op === 'fork' || operation.kind.isAlias === true ? operation.input : undefined;
}
