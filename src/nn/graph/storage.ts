// Where activations and their gradients lie: each is alive from its first to its last use in the
// step, and those that are never alive together share memory. Pure planning, in bytes for one
// worker's samples.

import { ALIGN_BYTES, alignUp } from '../../base/bytes.ts';
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
import { layersSideBySide } from './sideBySide.ts';

export interface StoragePlan {
  /** Where each value lies, in bytes from the start of the worker's activations. */
  readonly activationOffsetsBytes: readonly number[];
  /** Where its gradient lies; -1 where nobody needs it. */
  readonly gradientOffsetsBytes: readonly number[];
  readonly sizeBytes: number;
  /** Of it, what values take that wait for backward when the loss runs. */
  readonly keptBytes: number;
  /** What the values would take besides that backward derives instead. */
  readonly sparedBytes: number;
  /** The values that are not stored for backward, by the layers that derive them (derive.ts). */
  readonly derived: ReadonlyMap<ValueId, LayerOperation>;
}

/** A range of bytes and the time, in operations, during which it is taken. */
interface Block {
  sizeBytes: number;
  from: number;
  to: number;
  offsetBytes: number;
}

/** Plans the memory of a worker with up to `capacity` samples. Operation i of n runs forward at
 * time i and backward at time 2n - i; the loss runs at time n. Values that are `derived`
 * (derive.ts) are not there in backward. */
export function planStorage(
  graph: Graph,
  capacity: number,
  derived: ReadonlyMap<ValueId, LayerOperation>,
): StoragePlan {
  const { shapes } = graph;
  const blockOf: BlockMaker = (value, from) => ({
    sizeBytes: alignUp(sizeOf(shapes[value]!) * capacity * 4 + ALIGN_BYTES, ALIGN_BYTES),
    from,
    to: from,
    offsetBytes: 0,
  });
  const isNeeded = gradientsNeeded(graph);
  const { activations, spared } = activationBlocks(graph, isNeeded, derived, blockOf);
  const kept = [...new Set(activations)].filter(({ to }) => to > graph.operations.length);
  const gradients = gradientBlocks(graph, isNeeded, activations, blockOf);
  const blocks = new Set([...activations, ...gradients.filter((block) => block !== undefined)]);
  const sizeBytes = place([...blocks]);
  return {
    activationOffsetsBytes: activations.map((block) => block.offsetBytes),
    gradientOffsetsBytes: shapes.map((_, value) => gradients[value]?.offsetBytes ?? -1),
    sizeBytes,
    keptBytes: bytesOf(kept),
    sparedBytes: bytesOf(spared),
    derived,
  };
}

function bytesOf(blocks: Iterable<Block>): number {
  return [...blocks].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

type BlockMaker = (value: ValueId, from: number) => Block;

function use(block: Block | undefined, time: number): void {
  if (block === undefined) return;
  block.from = Math.min(block.from, time);
  block.to = Math.max(block.to, time);
}

/** The memory of each value, and when it is taken; and of those that are derived instead. */
function activationBlocks(
  graph: Graph,
  isNeeded: readonly boolean[],
  derived: ReadonlyMap<ValueId, LayerOperation>,
  blockOf: BlockMaker,
): { readonly activations: readonly Block[]; readonly spared: ReadonlySet<Block> } {
  const { operations } = graph;
  const count = operations.length;
  const activations: Block[] = [blockOf(0, 0)];
  const spared = new Set<Block>();
  /** In backward. */
  const read = (value: ValueId, time: number): void => {
    const maker = derived.get(value);
    if (maker === undefined) use(activations[value], time);
    else {
      use(activations[maker.input], time);
      if (maker.addend !== undefined) read(maker.addend.value, time);
    }
  };
  for (const [i, operation] of operations.entries()) {
    for (const value of inputsOf(operation)) use(activations[value], i);
    const alias = aliased(operation);
    for (const value of outputsOf(operation)) {
      activations[value] = alias === undefined ? blockOf(value, i) : activations[alias]!;
    }
    if (!runsBackward(operation, isNeeded)) continue;
    const keeps = keptBy(operation);
    const values = [
      ...(keeps.input ? inputsOf(operation) : []),
      ...(keeps.output ? outputsOf(operation) : []),
    ];
    for (const value of values) {
      read(value, 2 * count - i);
      if (derived.has(value)) spared.add(activations[value]!);
    }
  }
  for (const value of endsOf(graph)) use(activations[value], count);
  // The first of two layers side by side may end with the second (sharedExchange.ts).
  for (const [first, second] of layersSideBySide(graph)) {
    use(activations[first.input], operations.indexOf(second));
  }
  return { activations, spared };
}

/** The same of each gradient that is needed. */
function gradientBlocks(
  graph: Graph,
  isNeeded: readonly boolean[],
  activations: readonly Block[],
  blockOf: BlockMaker,
): readonly (Block | undefined)[] {
  const { operations } = graph;
  const count = operations.length;
  const gradients: (Block | undefined)[] = [];
  /** The gradients of several values, of which one may still be read. */
  const forSeveral = new Set<Block>();
  for (const value of endsOf(graph)) {
    if (isNeeded[value]) gradients[value] = blockOf(value, count);
  }
  for (let i = count - 1; i >= 0; i--) {
    const operation = operations[i]!;
    const time = 2 * count - i;
    const outputs = outputsOf(operation);
    for (const value of outputs) use(gradients[value], time);
    const wanted = inputsOf(operation).filter((value) => isNeeded[value]);
    if (wanted.length === 0) continue;
    if (operation.op === 'join') {
      for (const value of wanted) gradients[value] = blockOf(value, time);
      continue;
    }
    const ending = overwritten(operation).map(([type, value]) =>
      type === 'gradient' ? gradients[value] : activations[value],
    );
    const own = sharesGradient(operation)
      ? gradients[outputs[0]!]!
      : (ending.find((block) => block?.to === time && !forSeveral.has(block)) ??
        blockOf(wanted[0]!, time));
    for (const value of wanted) gradients[value] = own;
    if (wanted.length > 1) forSeveral.add(own);
  }
  return gradients;
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

/** What the gradient of the input may be written over, if that is not read any more. */
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

/** The input that the outputs are under other names, where they are one. */
export function aliased(operation: Operation): ValueId | undefined {
  if (operation.op === 'add') return operation.sum;
  if (operation.op === 'join') return undefined;
  return operation.op === 'fork' || operation.kind.isAlias === true ? operation.input : undefined;
}

/** Gives each block the lowest place that is free all the time it is alive. Those that are alive
 * the longest come first, since most are when the most is taken: for nets with residuals what is
 * taken then is all there is. Returns the size of it all. */
function place(blocks: readonly Block[]): number {
  const placed: Block[] = [];
  let sizeBytes = 0;
  const lengthOf = ({ from, to }: Block): number => to - from;
  const sorted = [...blocks].sort((a, b) => lengthOf(b) - lengthOf(a) || b.sizeBytes - a.sizeBytes);
  for (const block of sorted) {
    const neighbours = placed
      .filter((other) => other.from <= block.to && block.from <= other.to)
      .sort((a, b) => a.offsetBytes - b.offsetBytes);
    let offsetBytes = 0;
    for (const other of neighbours) {
      if (offsetBytes + block.sizeBytes <= other.offsetBytes) break;
      offsetBytes = Math.max(offsetBytes, other.offsetBytes + other.sizeBytes);
    }
    block.offsetBytes = offsetBytes;
    placed.push(block);
    sizeBytes = Math.max(sizeBytes, offsetBytes + block.sizeBytes);
  }
  return sizeBytes;
}
