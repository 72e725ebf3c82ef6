// From an ONNX model to a net of this library with its weights: node by node, with the importer of
// each operator. An operator without an importer, or one used in an unsupported way, is an error
// that names the node.

import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape } from '../../base/shape.ts';
import { buildGraph } from '../../nn/graph/graph.ts';
import { parseModel } from '../../nn/models/parse.ts';
import type { TrainedNet } from '../export/writeNet.ts';
import type { OnnxModel, OnnxNode } from '../format/model.ts';
import { convolutionImporters } from './convolutions.ts';
import { elementwiseImporters } from './elementwise.ts';
import { moveImporters } from './moves.ts';
import { createBuilder, type NetBuilder } from './netBuilder.ts';
import { type Importer, readNode } from './nodeReader.ts';
import { normImporters } from './norms.ts';
import { partImporters } from './parts.ts';
import { poolImporters } from './pools.ts';
import { productImporters } from './products.ts';
import { recurrentImporters } from './recurrent.ts';
import type { Activation, Order, Value } from './values.ts';

const importers = new Map<string, Importer>(
  [
    convolutionImporters,
    elementwiseImporters,
    moveImporters,
    normImporters,
    partImporters,
    poolImporters,
    productImporters,
    recurrentImporters,
  ].flatMap((one) => Object.entries(one)),
);

/** Layers that losses on scores already include. */
const END_LAYERS: ReadonlySet<string> = new Set(['softmax']);

/** The most characters of a name shown in a list. */
const MAX_SHOWN = 100;

export interface ReadOptions {
  /** The file's name in errors. */
  readonly what: string;
  /** Shape of a sample, channels last; needed if the file leaves sizes open. */
  readonly inputShape: Shape | undefined;
  /** Whether to drop a softmax at the end. */
  readonly dropSoftmax: boolean;
}

/** Throws a {@link UsageError} that names the node that cannot be imported. */
export function readNet(model: OnnxModel, options: ReadOptions): TrainedNet {
  const { what } = options;
  checkOperators(model, what);
  const input = model.inputs[0];
  if (model.inputs.length !== 1 || input === undefined) {
    const given = model.inputs.map(({ name }) => name).join(', ');
    throw new UsageError({ what: `inputs of ${what}`, given, allowed: 'one' });
  }
  const readers = readersIn(model);
  const readersOf = (name: string): readonly string[] => {
    return (readers.get(name) ?? []).map((node) => node?.op ?? 'output');
  };
  const { inputShape, order } = sampleOf(model, readers.get(input.name) ?? [], options);
  const builder = createBuilder(inputShape, order);
  const values = new Map<string, Value>();
  for (const [name, tensor] of model.constants) values.set(name, { is: 'constant', tensor });
  values.set(input.name, builder.input);
  const value = (name: string): Value | undefined => {
    const found = values.get(name);
    const isShared = found?.is === 'activation' && readersOf(name).length > 1;
    return isShared ? { ...found, isShared } : found;
  };
  for (const node of model.nodes) {
    const { opset } = model;
    const place = { opset, builder, what, name: nameOf(node, model), value, readersOf };
    if (node.outputs.length === 0) continue;
    const found = imported(node, place);
    const all = Array.isArray(found) ? found : [found];
    for (const [i, one] of all.entries()) {
      const name = node.outputs[i] ?? '';
      // Pending operations are applied once for all readers.
      const isLeft = one?.is === 'activation' && readersOf(name).length > 1;
      if (one !== undefined) values.set(name, isLeft ? builder.plain(one) : one);
    }
  }
  if (model.outputs.length === 0) throw new UsageError({ what, problem: 'has no outputs' });
  const outputs = model.outputs.map(({ name }) => {
    const found = value(name);
    if (found?.is !== 'activation') {
      throw new UsageError({
        what: `output ${name} of ${what}`,
        problem: 'does not depend on the samples',
      });
    }
    return { name, node: endOf(builder, { name, found }, options) };
  });
  const made = builder.finish(outputs);
  const net = parseModel(made.model, `the net of ${what}`);
  buildGraph(net, inputShape);
  return { model: net, weights: made.weights, inputShape };
}

/** The result of importing a node. Errors of layers name the node that they were made for. */
function imported(node: OnnxNode, place: Parameters<typeof readNode>[1]): ReturnType<Importer> {
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
    problem: `has unsupported operators: ${shown.join(', ')}${more}`,
    hint: `a net of ${[...importers.keys()].sort().join(', ')}`,
  });
}

/** The nodes that read each value, once per read; undefined for the net's outputs. */
type Readers = ReadonlyMap<string, readonly (OnnxNode | undefined)[]>;

function readersIn({ nodes, outputs }: OnnxModel): Readers {
  const readers = new Map<string, (OnnxNode | undefined)[]>();
  const add = (name: string, node: OnnxNode | undefined): void => {
    if (name === '') return;
    const known = readers.get(name);
    if (known === undefined) readers.set(name, [node]);
    else known.push(node);
  };
  for (const node of nodes) for (const name of node.inputs) add(name, node);
  for (const { name } of outputs) add(name, undefined);
  return readers;
}

/** Operators that take sequences time first, and those that take features last. */
const TIME_FIRST: readonly string[] = ['RNN', 'GRU', 'LSTM'];
const FEATURES_LAST: readonly string[] = ['MatMul', 'LayerNormalization'];

/** The channel position of the input, by what reads it; vectors and images have channels first. */
function orderOf(rank: number, readers: readonly (OnnxNode | undefined)[]): Order {
  if (rank !== 3) return 'first';
  const ops = readers.map((node) => node?.op ?? '');
  if (ops.some((op) => TIME_FIRST.includes(op))) return 'times';
  const isTurned = readers.some((node) => {
    const perm = node?.op === 'Transpose' ? node.attributes.perm : undefined;
    return perm?.type === 'ints' && `${perm.value}` === '1,0,2';
  });
  return isTurned || ops.some((op) => FEATURES_LAST.includes(op)) ? 'last' : 'first';
}

/** The sample's shape, from the file or from the caller. */
function sampleOf(
  { inputs }: OnnxModel,
  readers: readonly (OnnxNode | undefined)[],
  { what, inputShape }: ReadOptions,
): { readonly inputShape: Shape; readonly order: Order } {
  const { name, shape, type } = inputs[0]!;
  if (type !== 'float') {
    throw new UsageError({ what: `input ${name} of ${what}`, given: type, allowed: 'float' });
  }
  const order = orderOf(shape?.length ?? (inputShape?.length ?? 0) + 1, readers);
  if (shape !== undefined && (shape.length < 2 || shape.length > 4)) {
    const allowed = 'images [N, C, H, W], sequences or vectors [N, F]';
    throw new UsageError({
      what: `input ${name} of ${what}`,
      given: `${shape.length} axes`,
      allowed,
    });
  }
  const own = shape && ownAxes(shape, order);
  const given = inputShape ?? own?.map((size) => (typeof size === 'number' ? size : Number.NaN));
  const isOpen = given === undefined || given.some((size) => !(size >= 1));
  const differs = own?.some((size, i) => typeof size === 'number' && size !== given?.[i]);
  if (!isOpen && !differs && (own === undefined || own.length === given.length)) {
    return { inputShape: given, order };
  }
  throw new UsageError({
    what: `inputShape of ${what}`,
    given: inputShape === undefined ? 'none' : showShape(inputShape),
    allowed: own === undefined ? 'that of a sample' : `[${own.map((size) => size ?? '?')}]`,
    hint: '--input-shape, or inputShape: [height, width, channels]',
  });
}

/** The axes of a sample, channels last. */
function ownAxes<T>(shape: readonly T[], order: Order): readonly T[] {
  if (order === 'times') return [shape[0]!, ...shape.slice(2)];
  return order === 'last' ? shape.slice(1) : [...shape.slice(2), shape[1]!];
}

/** Name endings of weights in files from PyTorch and from this library. */
const WEIGHT = /(?<=.)\.(weight|weightIh|scale)$/;

/** A node's name: from its weight, as PyTorch's files name it, or its own. */
function nameOf({ name, inputs }: OnnxNode, { constants }: OnnxModel): string {
  const weight = inputs.find((input) => constants.has(input) && WEIGHT.test(input));
  return weight === undefined ? name : weight.replace(WEIGHT, '');
}

/** Makes an output of the net, with images and vectors in our order. */
function endOf(
  builder: NetBuilder,
  { name, found }: { readonly name: string; readonly found: Activation },
  { what, dropSoftmax }: ReadOptions,
): string {
  if (found.flatOf !== undefined) {
    throw new UsageError({ what: `output ${name} of ${what}`, problem: 'is a flattened image' });
  }
  if (found.channels !== 'first' && found.channels !== 'last') {
    const problem = 'does not begin with the axis of samples';
    throw new UsageError({ what: `output ${name} of ${what}`, problem });
  }
  const { node } = builder.plain(found);
  const made = builder.maker({ ...found, node });
  return dropSoftmax && made && END_LAYERS.has(made.layer.kind) ? made.from[0]! : node;
}
