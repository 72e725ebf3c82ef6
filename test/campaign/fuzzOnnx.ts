// ONNX files to damage: their bytes, or, in valid messages, names, operators, attributes, shapes
// and values.

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import * as onnx from 'onnx-buf';
import { exportOnnx, importOnnx, nn, optim, synthetic, Trainer } from '../../src/index.ts';
import type { Dice } from './dice.ts';
import type { Target } from './fuzzTarget.ts';
import { mutateBytes } from './mutations.ts';

const SHAPE = [8, 8, 2];
const OPS = [
  ...['Conv', 'Gemm', 'MatMul', 'BatchNormalization', 'Relu', 'Clip', 'Add', 'Mul', 'Concat'],
  ...['Flatten', 'Reshape', 'Shape', 'Slice', 'Gather', 'Unsqueeze', 'Softmax', 'Pad', 'Resize'],
  ...[
    'MaxPool',
    'AveragePool',
    'GlobalAveragePool',
    'Constant',
    'Transpose',
    'Loop',
    'Nothing',
    '',
  ],
];
const NAMES = ['', 'x', 'main', '__proto__', '\u0000', '\u001b[2J', 'ü'.repeat(300)];
const NUMBERS = [-1n, 0n, 1n, 2n, 3n, 7n, 255n, 1n << 16n, 1n << 31n, 1n << 40n, (1n << 63n) - 1n];

/** Nets with every convolutional feature that can be imported. */
export async function onnxTarget(): Promise<Target> {
  const data = synthetic({ train: 8, test: 2, shape: SHAPE, classes: 3 });
  const model = nn.sequential([
    nn.pad({ top: 1, left: 1 }),
    nn.conv2d(2, 4, { kernel: 3, stride: 2, padding: 1 }),
    nn.batchNorm(4),
    nn.relu(),
    nn.residual(nn.sequential([nn.conv2d(4, 4, { kernel: 3, padding: 1, groups: 2 }), nn.relu6()])),
    nn.maxPool({ kernel: 2 }),
    nn.upsample({ scale: 2 }),
    nn.hardSwish(),
    nn.flatten(),
    nn.linear(64, 5),
    nn.sigmoid(),
    nn.linear(5, 3),
  ]);
  const options = { model, data, replicas: 1, workers: 1, globalBatch: 4, onNotice: () => {} };
  const trainer = await Trainer.start({ ...options, optimizer: optim.sgd({ lr: 0.1 }) });
  const weights = trainer.weights();
  await trainer.close();
  const whole = await exportOnnx({ model, weights, inputShape: SHAPE });
  return {
    format: 'onnx',
    attempt(dice) {
      const input = dice.chance(0.4) ? mutateBytes(dice, whole) : withChanges(dice, whole);
      return { input, read: () => importOnnx(input) };
    },
  };
}

function withChanges(dice: Dice, file: Uint8Array): Uint8Array {
  const model = fromBinary(onnx.ModelProtoSchema, file);
  for (let n = dice.between(1, 3); n > 0; n--) change(dice, model);
  return toBinary(onnx.ModelProtoSchema, model);
}

function change(dice: Dice, model: onnx.ModelProto): void {
  const graph = model.graph!;
  if (graph.node.length === 0 || graph.initializer.length === 0) return;
  const at = dice.below(graph.node.length);
  const node = graph.node[at]!;
  const tensor = dice.pick(graph.initializer);
  const known = graph.node.flatMap(({ input, output }) => [...input, ...output]);
  switch (dice.below(10)) {
    case 0:
      node.opType = dice.pick(OPS);
      break;
    case 1:
      node.input[dice.below(node.input.length + 1)] = dice.pick([...known, ...NAMES]);
      break;
    case 2:
      node.output[dice.below(node.output.length + 1)] = dice.pick([...known, ...NAMES]);
      break;
    case 3:
      graph.node.splice(at, 1);
      break;
    case 4:
      graph.node.splice(dice.below(graph.node.length), 0, node);
      break;
    case 5:
      changeAttribute(dice, node);
      break;
    case 6:
      tensor.dims[dice.below(tensor.dims.length + 1)] = dice.pick(NUMBERS);
      break;
    case 7:
      tensor.rawData = new Uint8Array(mutateBytes(dice, tensor.rawData ?? new Uint8Array()));
      break;
    case 8:
      tensor.dataType = dice.below(30);
      break;
    default:
      model.opsetImport[0]!.version = dice.pick([...NUMBERS, 9n, 13n]);
  }
}

function changeAttribute(dice: Dice, node: onnx.NodeProto): void {
  const attribute = node.attribute[dice.below(node.attribute.length + 1)];
  if (attribute === undefined) return;
  switch (dice.below(5)) {
    case 0:
      attribute.name = dice.pick(['axis', 'pads', 'strides', 'group', ...NAMES]);
      break;
    case 1:
      attribute.type = dice.below(12) as typeof attribute.type;
      break;
    case 2:
      attribute.i = dice.pick(NUMBERS);
      break;
    case 3:
      attribute.f = dice.pick([Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1e30]);
      break;
    default:
      attribute.ints[dice.below(attribute.ints.length + 1)] = dice.pick(NUMBERS);
  }
}
