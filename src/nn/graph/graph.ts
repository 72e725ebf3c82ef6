// Resolves a model into a flat list of operations over values, each with one producer and one
// consumer, and checks all shapes. A residual becomes fork, two branches and add; a value of a
// graph that several layers read goes through a fork. Backward runs over the same list from its
// end.

import { UsageError } from '../../base/errors.ts';
import { type Shape, shapesDiffer, showShape } from '../../base/shape.ts';
import type { JoinKind } from '../layers/join.ts';
import { joinKinds } from '../layers/joinKinds.ts';
import type { BufferDeclaration, LayerKind, ParameterDeclaration } from '../layers/layer.ts';
import { type LayerSpec, type LeafSpec, leavesOf, visitModel } from '../specs/spec.ts';
import { kindOf } from './kinds.ts';

/** Number of a value: an activation and its gradient. Value 0 is the model's input. */
export type ValueId = number;

export interface LayerOperation {
  readonly op: 'layer';
  /** The layer's path in the model, for messages and names: `3.batchNorm`. */
  readonly path: string;
  /** Its place among the layers that compute; keys its random numbers. */
  readonly index: number;
  readonly spec: LeafSpec;
  readonly kind: LayerKind<LeafSpec>;
  readonly input: ValueId;
  readonly output: ValueId;
  /** Whether the relu that followed it is part of it (fuse.ts). */
  readonly isRelu: boolean;
  /** The value that is added to its output before it is written, and whether a relu follows the sum
   * (fuse.ts). The add that follows keeps the value as an input. */
  readonly addend?: { readonly value: ValueId; readonly isRelu: boolean };
  /** The parameters that do not train (freeze.ts). */
  readonly frozen: ReadonlySet<string>;
}

/** One value for several consumers. Their gradients are added in order. */
export interface ForkOperation {
  readonly op: 'fork';
  readonly path: string;
  readonly input: ValueId;
  readonly outputs: readonly ValueId[];
}

export interface AddOperation {
  readonly op: 'add';
  readonly path: string;
  readonly inputs: readonly [ValueId, ValueId];
  readonly output: ValueId;
  /** Whether the relu that followed it is part of it (fuse.ts). */
  readonly isRelu: boolean;
  /** The input that already is the output because the layer before added the other input to it
   * (fuse.ts). */
  readonly sum?: ValueId;
}

/** Any other operation that makes one value from several. */
export interface JoinOperation {
  readonly op: 'join';
  readonly path: string;
  readonly kind: JoinKind;
  readonly inputs: readonly ValueId[];
  readonly output: ValueId;
}

export type Operation = LayerOperation | ForkOperation | AddOperation | JoinOperation;

export interface Graph {
  readonly operations: readonly Operation[];
  /** Shape of each value. */
  readonly shapes: readonly Shape[];
  readonly output: ValueId;
  /** The outputs besides the main one. */
  readonly heads: readonly { readonly name: string; readonly value: ValueId }[];
}

/** All output values: the main one and those of the heads. */
export function endsOf({ output, heads }: Pick<Graph, 'output' | 'heads'>): readonly ValueId[] {
  return [output, ...heads.map(({ value }) => value)];
}

/** The values that an operation reads. */
export function inputsOf(operation: Operation): readonly ValueId[] {
  return operation.op === 'add' || operation.op === 'join' ? operation.inputs : [operation.input];
}

/** The values that an operation writes or renames. */
export function outputsOf(operation: Operation): readonly ValueId[] {
  return operation.op === 'fork' ? operation.outputs : [operation.output];
}

/** The parameters of a layer, frozen or not. */
export function parametersOf(
  { kind, spec, input }: LayerOperation,
  { shapes }: Pick<Graph, 'shapes'>,
): readonly ParameterDeclaration[] {
  return kind.parameters?.(spec, shapes[input]!) ?? [];
}

/** The parameters of a layer that train. */
export function trainedParametersOf(
  operation: LayerOperation,
  graph: Pick<Graph, 'shapes'>,
): readonly ParameterDeclaration[] {
  return parametersOf(operation, graph).filter(({ name }) => !operation.frozen.has(name));
}

/** The buffers of a layer, which training writes and evaluation reads. */
export function buffersOf(
  { kind, spec, input }: LayerOperation,
  { shapes }: Pick<Graph, 'shapes'>,
): readonly BufferDeclaration[] {
  return kind.buffers?.(spec, shapes[input]!) ?? [];
}

const NONE_FROZEN: ReadonlySet<string> = new Set();

/** Resolves a model for inputs of the given shape. Throws a {@link UsageError} that names the layer
 * and both shapes if they do not fit. */
export function buildGraph(model: LayerSpec, inputShape: Shape): Graph {
  const operations: Operation[] = [];
  const shapes: Shape[] = [inputShape];
  let countLayers = 0;
  const heads: { name: string; value: ValueId }[] = [];
  const newValue = (shape: Shape): ValueId => shapes.push(shape) - 1;

  const output = visitModel<ValueId>(model, 0, {
    leaf(spec, path, input) {
      const kind = kindOf(spec);
      const output = newValue(kind.outputShape(spec, shapes[input]!, path));
      const layer = { path, index: countLayers++, spec, kind, input, output };
      operations.push({ op: 'layer', ...layer, isRelu: false, frozen: NONE_FROZEN });
      return output;
    },
    fork(path, input, count) {
      const outputs = Array.from({ length: count }, () => newValue(shapes[input]!));
      operations.push({ op: 'fork', path, input, outputs });
      return outputs;
    },
    join({ kind }, path, inputs) {
      const given = inputs.map((input) => shapes[input]!);
      if (kind === 'add') {
        checkBranches(path, given as [Shape, Shape]);
        const output = newValue(given[0]!);
        const [a, b] = inputs as [ValueId, ValueId];
        operations.push({ op: 'add', path, inputs: [a, b], output, isRelu: false });
        return output;
      }
      const joinKind = joinKinds[kind];
      const output = newValue(joinKind.outputShape(given, path));
      operations.push({ op: 'join', path, kind: joinKind, inputs, output });
      return output;
    },
    head(name, value) {
      heads.push({ name, value });
    },
  });
  return { operations, shapes, output, heads };
}

function checkBranches(path: string, [body, shortcut]: readonly [Shape, Shape]): void {
  if (!shapesDiffer(body, shortcut)) return;
  throw new UsageError({
    what: `the branches of ${path}`,
    given: `body ${showShape(body)}, shortcut ${showShape(shortcut)}`,
    allowed: 'equal shapes',
    hint: 'a projection as the shortcut: a 1x1 conv2d with the stride of the body',
  });
}

/** Checks the shapes of a model before its input is known, as far as the first layer determines
 * them. */
export function checkModelShapes(model: LayerSpec): void {
  const input = expectedInputOf(model);
  if (input !== undefined) buildGraph(model, input);
}

/** The input shape that the first layer of a model expects, with NaN for unknown sizes, or
 * undefined if it takes any. */
export function expectedInputOf(model: LayerSpec): Shape | undefined {
  const first = leavesOf(model)[0];
  return first && kindOf(first).expectedInput?.(first);
}
