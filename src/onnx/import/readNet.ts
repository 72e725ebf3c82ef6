// From an ONNX model to a net of this library with its weights: node by node, each by the importer
// of its operator. What has none, or is used in a way that layers here do not have, is an error
// that names the node.

import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape } from '../../base/shape.ts';
import { buildGraph } from '../../nn/graph/graph.ts';
import { parseModel } from '../../nn/models/parse.ts';
import type { TrainedNet } from '../export/writeNet.ts';
import type { OnnxModel, OnnxNode } from '../format/model.ts';
import { elementwiseImporters } from './elementwise.ts';
import { moveImporters } from './moves.ts';
import { createBuilder, type NetBuilder } from './netBuilder.ts';
import { type Importer, readNode } from './nodeReader.ts';
import { poolImporters } from './pools.ts';
import { productImporters } from './products.ts';
import type { Activation, Value } from './values.ts';

const importers = new Map<string, Importer>(
  [elementwiseImporters, moveImporters, poolImporters, productImporters].flatMap((one) =>
    Object.entries(one),
  ),
);

/** Layers that a loss of scores has within itself. */
const END_LAYERS: ReadonlySet<string> = new Set(['softmax']);

/** Characters of a name in a list of names. */
const MAX_SHOWN = 100;

export interface ReadOptions {
  /** Names the file in errors. */
  readonly what: string;
  /** Of a sample, channels last; needed where the file leaves sizes open. */
  readonly inputShape: Shape | undefined;
  /** Whether a softmax at the end is left out. */
  readonly dropSoftmax: boolean;
}

/** Throws a {@link UsageError} that names the node that cannot be read. */
export function readNet(model: OnnxModel, options: ReadOptions): TrainedNet {
  const { what } = options;
  checkOperators(model, what);
  const input = model.inputs[0];
  if (model.inputs.length !== 1 || input === undefined) {
    const given = model.inputs.map(({ name }) => name).join(', ');
    throw new UsageError({ what: `inputs of ${what}`, given, allowed: 'one' });
  }
  const inputShape = shapeOf(model, options);
  const builder = createBuilder(inputShape);
  const values = new Map<string, Value>();
  for (const [name, tensor] of model.constants) values.set(name, { is: 'constant', tensor });
  values.set(input.name, builder.input);
  const uses = usesIn(model);
  const value = (name: string): Value | undefined => {
    const found = values.get(name);
    const isShared = found?.is === 'activation' && (uses.get(name) ?? 0) > 1;
    return isShared ? { ...found, isShared } : found;
  };
  for (const node of model.nodes) {
    const place = { opset: model.opset, builder, what, name: nameOf(node, model), value };
    const output = node.outputs[0];
    if (output === undefined) continue;
    values.set(output, imported(node, place));
  }
  if (model.outputs.length === 0) throw new UsageError({ what, problem: 'has no outputs' });
  const outputs = model.outputs.map(({ name }) => {
    const found = value(name);
    if (found?.is !== 'activation') {
      throw new UsageError({
        what: `output ${name} of ${what}`,
        problem: 'is not made of samples',
      });
    }
    return { name, node: endOf(builder, found, options) };
  });
  const made = builder.finish(outputs);
  const net = parseModel(made.model, `the net of ${what}`);
  buildGraph(net, inputShape);
  return { model: net, weights: made.weights, inputShape };
}

/** What a node stands for. Errors of layers name the node that they were made for. */
function imported(node: OnnxNode, place: Parameters<typeof readNode>[1]): Value {
  try {
    return importers.get(node.op)!(readNode(node, place));
  } catch (error) {
    if (!(error instanceof UsageError) || error.message.startsWith('node ')) throw error;
    const what = `node ${node.name} (${node.op}) of ${place.what}`;
    throw new UsageError({ what, problem: `fits no layer: ${error.message.replace(/\.$/, '')}` });
  }
}

function shortened(name: string): string {
  return name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}...` : name;
}

function checkOperators({ nodes }: OnnxModel, what: string): void {
  const unknown = nodes.filter(({ op }) => !importers.has(op));
  if (unknown.length === 0) return;
  const shown = unknown.slice(0, 5).map(({ name, op }) => `${shortened(name)} (${shortened(op)})`);
  const more = unknown.length > shown.length ? ` and ${unknown.length - shown.length} more` : '';
  throw new UsageError({
    what,
    problem: `has operators that are not read: ${shown.join(', ')}${more}`,
    hint: `a net of ${[...importers.keys()].sort().join(', ')}`,
  });
}

/** How many nodes and outputs read each value. */
function usesIn({ nodes, outputs }: OnnxModel): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  const names = [...nodes.flatMap(({ inputs }) => inputs), ...outputs.map(({ name }) => name)];
  for (const name of names) uses.set(name, (uses.get(name) ?? 0) + 1);
  return uses;
}

/** The sample as the file has it, or as the caller says. */
function shapeOf({ inputs }: OnnxModel, { what, inputShape }: ReadOptions): Shape {
  const { name, shape, type } = inputs[0]!;
  if (type !== 'float') {
    throw new UsageError({ what: `input ${name} of ${what}`, given: type, allowed: 'float' });
  }
  const sizes = shape?.slice(1);
  if (shape !== undefined && shape.length !== 2 && shape.length !== 4) {
    const allowed = 'images [N, C, H, W] or vectors [N, F]';
    throw new UsageError({
      what: `input ${name} of ${what}`,
      given: `${shape.length} axes`,
      allowed,
    });
  }
  const own = sizes && [...sizes.slice(1), sizes[0]];
  const given = inputShape ?? own?.map((size) => (typeof size === 'number' ? size : Number.NaN));
  const isOpen = given === undefined || given.some((size) => !(size >= 1));
  const differs = own?.some((size, i) => typeof size === 'number' && size !== given?.[i]);
  if (!isOpen && !differs && (own === undefined || own.length === given.length)) return given;
  throw new UsageError({
    what: `inputShape of ${what}`,
    given: inputShape === undefined ? 'none' : showShape(inputShape),
    allowed: own === undefined ? 'that of a sample' : `[${own.map((size) => size ?? '?')}]`,
    hint: '--input-shape, or inputShape: [height, width, channels]',
  });
}

/** By its weight, as PyTorch's files name them, else by its own name. */
function nameOf({ name, inputs }: OnnxNode, { constants }: OnnxModel): string {
  const weight = inputs.find((input) => constants.has(input) && /.\.weight$/.test(input));
  return weight === undefined ? name : weight.replace(/\.weight$/, '');
}

/** What the net gives out, with images and vectors in our order. */
function endOf(builder: NetBuilder, found: Activation, { what, dropSoftmax }: ReadOptions): string {
  if (found.flatOf !== undefined) {
    throw new UsageError({ what: `an output of ${what}`, problem: 'is a flattened image' });
  }
  const { node } = builder.plain(found);
  const made = builder.maker({ ...found, node });
  return dropSoftmax && made && END_LAYERS.has(made.layer.kind) ? made.from[0]! : node;
}
