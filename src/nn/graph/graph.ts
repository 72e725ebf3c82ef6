// Resolves a model into a straight list of operations over values, each value with one producer and
// one consumer, and checks every shape on the way. A residual becomes fork, two branches and add.
// Backward runs over the same list from its end.

import { UsageError } from '../../base/errors.ts';
import { type Shape, shapesDiffer, showShape } from '../../base/shape.ts';
import type { BufferDeclaration, LayerKind, ParameterDeclaration } from '../layers/layer.ts';
import { checkDepth } from '../specs/depth.ts';
import type { LayerSpec, LeafSpec, ResidualSpec } from '../specs/spec.ts';
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
}

export type Operation = LayerOperation | ForkOperation | AddOperation;

export interface Graph {
  readonly operations: readonly Operation[];
  /** Shape of each value. */
  readonly shapes: readonly Shape[];
  readonly output: ValueId;
}

/** What a layer trains. */
export function parametersOf(
  { kind, spec, input }: LayerOperation,
  { shapes }: Pick<Graph, 'shapes'>,
): readonly ParameterDeclaration[] {
  return kind.parameters?.(spec, shapes[input]!) ?? [];
}

/** What training a layer writes and its evaluation reads. */
export function buffersOf(
  { kind, spec, input }: LayerOperation,
  { shapes }: Pick<Graph, 'shapes'>,
): readonly BufferDeclaration[] {
  return kind.buffers?.(spec, shapes[input]!) ?? [];
}

/** Resolves a model for inputs of the given shape. Throws a {@link UsageError} that names the layer
 * and both shapes where they do not fit. */
export function buildGraph(model: LayerSpec, inputShape: Shape): Graph {
  checkDepth('The model', model);
  const operations: Operation[] = [];
  const shapes: Shape[] = [inputShape];
  let countLayers = 0;
  const newValue = (shape: Shape): ValueId => shapes.push(shape) - 1;

  const addResidual = (spec: ResidualSpec, path: string, input: ValueId): ValueId => {
    const left = newValue(shapes[input]!);
    const right = newValue(shapes[input]!);
    operations.push({ op: 'fork', path, input, outputs: [left, right] });
    const body = addSpec(spec.body, `${path}.body`, left);
    const { shortcut } = spec;
    const other = shortcut === null ? right : addSpec(shortcut, `${path}.shortcut`, right);
    if (shapesDiffer(shapes[body]!, shapes[other]!)) {
      throw new UsageError({
        what: `the branches of ${path}`,
        given: `body ${showShape(shapes[body]!)}, shortcut ${showShape(shapes[other]!)}`,
        allowed: 'equal shapes',
        hint: 'a projection as shortcut: a 1x1 conv2d with the stride of the body',
      });
    }
    const output = newValue(shapes[body]!);
    operations.push({ op: 'add', path, inputs: [body, other], output, isRelu: false });
    return output;
  };

  const addSpec = (spec: LayerSpec, path: string, input: ValueId): ValueId => {
    if (spec.kind === 'sequential') {
      const prefix = path === '' ? '' : `${path}.`;
      let value = input;
      for (const [i, layer] of spec.layers.entries()) {
        const name = layer.kind === 'sequential' ? `${i}` : `${i}.${layer.kind}`;
        value = addSpec(layer, `${prefix}${name}`, value);
      }
      return value;
    }
    const ownPath = path === '' ? spec.kind : path;
    if (spec.kind === 'residual') return addResidual(spec, ownPath, input);
    const kind = kindOf(spec);
    const output = newValue(kind.outputShape(spec, shapes[input]!, ownPath));
    operations.push({
      op: 'layer',
      path: ownPath,
      index: countLayers++,
      spec,
      kind,
      input,
      output,
      isRelu: false,
    });
    return output;
  };

  const output = addSpec(model, '', 0);
  return { operations, shapes, output };
}

/** Checks the shapes of a model whose input is not known yet, as far as its first layer tells. */
export function checkModelShapes(model: LayerSpec): void {
  checkDepth('The model', model);
  const input = expectedInput(model);
  if (input !== undefined) buildGraph(model, input);
}

/** The input that the first layer asks for, unknown sizes as NaN; undefined when it takes any. */
function expectedInput(spec: LayerSpec): Shape | undefined {
  switch (spec.kind) {
    case 'sequential':
      return spec.layers[0] === undefined ? undefined : expectedInput(spec.layers[0]);
    case 'residual':
      return expectedInput(spec.body);
    default:
      return kindOf(spec).expectedInput?.(spec);
  }
}
