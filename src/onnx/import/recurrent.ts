// Imports recurrent layers of ONNX files that match PyTorch's, which ours do. The layer returns all
// states if the file reads them, otherwise the last one.

import { sizeOf } from '../../base/shape.ts';
import { gru, lstm, type RecurrentSpec, rnn } from '../../nn/specs/recurrent.ts';
import { reshape } from '../../nn/specs/reshape.ts';
import { slice } from '../../nn/specs/slice.ts';
import { GATES, type RecurrentOperator } from '../format/gates.ts';
import { transposed } from '../format/transpose.ts';
import type { Tensors } from './netBuilder.ts';
import type { Importer, NodeReader } from './nodeReader.ts';
import type { Activation, Value } from './values.ts';

type LayerOf = (
  node: NodeReader,
  inputSize: number,
  hiddenSize: number,
  options: { readonly bias: boolean; readonly returnSequence: boolean },
) => RecurrentSpec;

/** Throws if a node uses a feature that layers here do not have. */
function checkVariant(node: NodeReader, x: Activation, activations: readonly string[]): void {
  const direction = node.text('direction', 'forward');
  if (direction !== 'forward') node.fail(`goes ${direction}`);
  if (node.int('layout', 0) !== 0) node.fail('has samples first (layout 1)');
  const given = node.texts('activations');
  const isKnown = given === undefined || `${given}` === `${activations}`;
  if (!isKnown) node.fail(`has activations [${given}], not [${activations}]`);
  if (node.float('clip', 0) !== 0) node.fail('clips the inputs of its activations');
  if (node.int('input_forget', 0) !== 0) node.fail('couples its gates');
  if (node.has(4)) {
    const { values } = node.constant(4);
    if (values.some((length) => length !== x.shape[0]))
      node.fail('has samples of different lengths');
  }
  for (const [i, what] of ['hidden state', 'cell', 'peepholes'].entries()) {
    if (!isZero(node.input(5 + i))) node.fail(`has a ${what} input that is not zero`);
  }
  if (node.isRead(2)) node.fail('returns its last cell state');
}

function isZero(value: Value | undefined): boolean {
  if (value === undefined) return true;
  if (value.is === 'filled') return value.number === 0;
  return value.is === 'constant' && value.tensor.values.every((one) => one === 0);
}

/** [1, gates hiddenSize, columns] as [columns, gates hiddenSize], with our gate order. */
function ourGates(
  node: NodeReader,
  values: Float32Array | Float64Array,
  { hiddenSize, columns }: { readonly hiddenSize: number; readonly columns: number },
): Float32Array {
  const gates: readonly number[] = GATES[node.op as RecurrentOperator];
  const length = hiddenSize * columns;
  if (values.length !== gates.length * length) {
    return node.fail(`has a weight or bias of ${values.length} numbers`);
  }
  const rows = gates.flatMap((_, ours) => {
    const theirs = gates.indexOf(ours);
    return [...values.subarray(theirs * length, (theirs + 1) * length)];
  });
  return transposed(Float32Array.from(rows), [gates.length * hiddenSize, columns], [1, 0]);
}

function tensorsOf(node: NodeReader, inputSize: number, hiddenSize: number): Tensors {
  const of = (values: Float32Array | Float64Array, columns: number): Float32Array =>
    ourGates(node, values, { hiddenSize, columns });
  const weights = {
    weightIh: of(node.constant(1).values, inputSize),
    weightHh: of(node.constant(2).values, hiddenSize),
  };
  if (!node.has(3)) return weights;
  const { values } = node.constant(3);
  const half = values.length / 2;
  const biases = { biasIh: of(values.subarray(0, half), 1), biasHh: of(values.subarray(half), 1) };
  return { ...weights, ...biases };
}

const recurrent =
  (activationsOf: (node: NodeReader) => readonly string[], layerOf: LayerOf): Importer =>
  (node) => {
    const x = node.elements(0);
    if (x.channels !== 'times') return node.fail('reads a value that is not a sequence [T, N, C]');
    checkVariant(node, x, activationsOf(node));
    const inputSize = x.shape[1]!;
    const hiddenSize = node.constant(2).shape[2] ?? 0;
    const tensors = tensorsOf(node, inputSize, hiddenSize);
    const returnSequence = node.isRead(0);
    const options = { bias: node.has(3), returnSequence };
    const layer = layerOf(node, inputSize, hiddenSize, options);
    const made = {
      ...node.builder.layer(node.name, layer, x, tensors),
      channels: 'states',
    } as const;
    if (!returnSequence) return [undefined, made];
    if (!node.isRead(1)) return made;
    return [made, { ...timeStep(node, made, x.shape[0]! - 1), channels: 'states' }];
  };

/** One of a sequence's time steps, as a vector. */
export function timeStep(node: NodeReader, x: Activation, t: number): Activation {
  const { builder, name } = node;
  const [times, channels] = x.shape as [number, number];
  const column = builder.layer(`${name}.times`, reshape([times, 1, channels]), x);
  const step = builder.layer(`${name}.step`, slice({ rows: [t, t + 1] }), column);
  const vector = builder.layer(`${name}.last`, reshape([sizeOf(step.shape)]), step);
  return { ...vector, channels: 'first' };
}

export const recurrentImporters: Readonly<Record<string, Importer>> = {
  RNN: recurrent(
    (node) => (`${node.texts('activations')}` === 'Relu' ? ['Relu'] : ['Tanh']),
    (node, inputSize, hiddenSize, options) => {
      const isRelu = `${node.texts('activations')}` === 'Relu';
      return rnn(inputSize, hiddenSize, { ...options, nonlinearity: isRelu ? 'relu' : 'tanh' });
    },
  ),
  GRU: recurrent(
    () => ['Sigmoid', 'Tanh'],
    (node, inputSize, hiddenSize, options) => {
      if (node.int('linear_before_reset', 0) === 0) {
        node.fail('resets the hidden state before its product (linear_before_reset 0)');
      }
      return gru(inputSize, hiddenSize, options);
    },
  ),
  LSTM: recurrent(
    () => ['Sigmoid', 'Tanh', 'Tanh'],
    (_node, inputSize, hiddenSize, options) => lstm(inputSize, hiddenSize, options),
  ),
};
