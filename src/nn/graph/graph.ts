// Resolves a model into a straight list of operations over values, each value with one producer and
// one consumer, and checks every shape on the way. A residual becomes fork, two branches and add.
// Backward runs over the same list from its end.

import { UsageError } from '../../base/errors.ts';
import { type Shape, shapesDiffer, showShape } from '../../base/shape.ts';
import type { BufferDeclaration, LayerKind, ParameterDeclaration } from '../layers/layer.ts';
import { type LayerSpec, type LeafSpec, leavesOf, walkModel } from '../specs/spec.ts';
import { kindOf } from './kinds.ts';

/** Number of a value: an activation and its gradient. Value 0 is the model's input. */
export type ValueId = number;

export interface LayerOperation {
  readonly op: 'layer';
  /** Where the layer stands in the model, for messages and names: `3.batchNorm`. */
  readonly path: string;
  /** Its place among the layers that compute; keys its random numbers. */
  readonly index: number;
  readonly spec: LeafSpec;
  readonly kind: LayerKind<LeafSpec>;
  readonly input: ValueId;
  readonly output: ValueId;
  /** Whether the relu that followed it is part of it (fuse.ts). */
  readonly isRelu: boolean;
  /** What is added to its output before that is written, and whether the sum goes through a relu
   * (fuse.ts). The add that follows keeps it among its inputs. */
  readonly addend?: { readonly value: ValueId; readonly isRelu: boolean };
  /** The parameters that do not train (freeze.ts). */
  readonly frozen: ReadonlySet<string>;
}

/** One value for two consumers; the gradients of both are added. */
export interface ForkOperation {
  readonly op: 'fork';
  readonly path: string;
  readonly input: ValueId;
  readonly outputs: readonly [ValueId, ValueId];
}

export interface AddOperation {
  readonly op: 'add';
  readonly path: string;
  readonly inputs: readonly [ValueId, ValueId];
  readonly output: ValueId;
  /** Whether the relu that followed it is part of it (fuse.ts). */
  readonly isRelu: boolean;
  /** The input that is the output already, since the layer before added the other one to it
   * (fuse.ts). */
  readonly sum?: ValueId;
}

export type Operation = LayerOperation | ForkOperation | AddOperation;

export interface Graph {
  readonly operations: readonly Operation[];
  /** Shape of each value. */
  readonly shapes: readonly Shape[];
  readonly output: ValueId;
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

/** What training a layer writes and its evaluation reads. */
export function buffersOf(
  { kind, spec, input }: LayerOperation,
  { shapes }: Pick<Graph, 'shapes'>,
): readonly BufferDeclaration[] {
  return kind.buffers?.(spec, shapes[input]!) ?? [];
}

const NONE_FROZEN: ReadonlySet<string> = new Set();

/** Resolves a model for inputs of the given shape. Throws a {@link UsageError} that names the layer
 * and both shapes where they do not fit. */
export function buildGraph(model: LayerSpec, inputShape: Shape): Graph {
  const operations: Operation[] = [];
  const shapes: Shape[] = [inputShape];
  const forks: { readonly right: ValueId; body: ValueId }[] = [];
  let countLayers = 0;
  let value = 0;
  const newValue = (shape: Shape): ValueId => shapes.push(shape) - 1;

  walkModel(model, {
    leaf(spec, path) {
      const kind = kindOf(spec);
      const input = value;
      value = newValue(kind.outputShape(spec, shapes[input]!, path));
      const layer = { path, index: countLayers++, spec, kind, input, output: value };
      operations.push({ op: 'layer', ...layer, isRelu: false, frozen: NONE_FROZEN });
    },
    body(_spec, path) {
      const input = value;
      const left = newValue(shapes[input]!);
      const right = newValue(shapes[input]!);
      operations.push({ op: 'fork', path, input, outputs: [left, right] });
      forks.push({ right, body: left });
      value = left;
    },
    shortcut() {
      const fork = forks[forks.length - 1]!;
      fork.body = value;
      value = fork.right;
    },
    end(_spec, path) {
      const { body } = forks.pop()!;
      checkBranches(path, shapes[body]!, shapes[value]!);
      const output = newValue(shapes[body]!);
      operations.push({ op: 'add', path, inputs: [body, value], output, isRelu: false });
      value = output;
    },
  });
  return { operations, shapes, output: value };
}

function checkBranches(path: string, body: Shape, shortcut: Shape): void {
  if (!shapesDiffer(body, shortcut)) return;
  throw new UsageError({
    what: `the branches of ${path}`,
    given: `body ${showShape(body)}, shortcut ${showShape(shortcut)}`,
    allowed: 'equal shapes',
    hint: 'a projection as shortcut: a 1x1 conv2d with the stride of the body',
  });
}

/** Checks the shapes of a model whose input is not known yet, as far as its first layer tells. */
export function checkModelShapes(model: LayerSpec): void {
  const first = leavesOf(model)[0];
  const input = first && kindOf(first).expectedInput?.(first);
  if (input !== undefined) buildGraph(model, input);
}
