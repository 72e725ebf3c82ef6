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
}

/** A range of bytes and the time, in operations, during which it is taken. */
interface Block {
  sizeBytes: number;
  from: number;
  to: number;
  offsetBytes: number;
}

/** Plans the memory of a worker with up to `capacity` samples. Operation i of n runs forward at
 * time i and backward at time 2n - i; the loss runs at time n. */
export function planStorage(graph: Graph, capacity: number): StoragePlan {
  const { operations, shapes } = graph;
  const count = operations.length;
  const blockOf = (value: ValueId, from: number): Block => ({
    sizeBytes: alignUp(sizeOf(shapes[value]!) * capacity * 4 + ALIGN_BYTES, ALIGN_BYTES),
    from,
    to: from,
    offsetBytes: 0,
  });
  const use = (block: Block | undefined, time: number): void => {
    if (block === undefined) return;
    block.from = Math.min(block.from, time);
    block.to = Math.max(block.to, time);
  };

  const isNeeded = gradientsNeeded(graph);
  const activations: Block[] = [];
  activations[0] = blockOf(0, 0);
  for (const [i, operation] of operations.entries()) {
    for (const value of inputsOf(operation)) use(activations[value], i);
    const alias = aliased(operation);
    for (const value of outputsOf(operation)) {
      activations[value] = alias === undefined ? blockOf(value, i) : activations[alias]!;
    }
    if (!runsBackward(operation, isNeeded)) continue;
    const keeps = keptBy(operation);
    for (const value of inputsOf(operation)) {
      if (keeps.input) use(activations[value], 2 * count - i);
    }
    for (const value of outputsOf(operation)) {
      if (keeps.output) use(activations[value], 2 * count - i);
    }
  }
  for (const value of endsOf(graph)) use(activations[value], count);
  // The first of two layers side by side may end with the second (sharedExchange.ts).
  for (const [first, second] of layersSideBySide(graph)) {
    use(activations[first.input], operations.indexOf(second));
  }

  const gradients: (Block | undefined)[] = [];
  for (const value of endsOf(graph)) {
    if (isNeeded[value]) gradients[value] = blockOf(value, count);
  }
  for (let i = count - 1; i >= 0; i--) {
    const operation = operations[i]!;
    const time = 2 * count - i;
    for (const value of outputsOf(operation)) use(gradients[value], time);
    let own: Block | undefined;
    for (const value of inputsOf(operation)) {
      if (!isNeeded[value]) continue;
      if (sharesGradient(operation)) gradients[value] = gradients[outputsOf(operation)[0]!]!;
      else if (operation.op === 'join') gradients[value] = blockOf(value, time);
      else gradients[value] = own ??= blockOf(value, time);
    }
  }

  const blocks = new Set([...activations, ...gradients.filter((block) => block !== undefined)]);
  const sizeBytes = place([...blocks]);
  return {
    activationOffsetsBytes: activations.map((block) => block.offsetBytes),
    gradientOffsetsBytes: shapes.map((_, value) => gradients[value]?.offsetBytes ?? -1),
    sizeBytes,
  };
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

/** Gives each block the lowest place that is free all the time it is alive, the largest first.
 * Returns the size of it all. */
function place(blocks: readonly Block[]): number {
  const placed: Block[] = [];
  let sizeBytes = 0;
  for (const block of [...blocks].sort((a, b) => b.sizeBytes - a.sizeBytes)) {
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
