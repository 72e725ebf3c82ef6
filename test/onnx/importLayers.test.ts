// Files from elsewhere with transposed convolutions, sequences, norms and recurrent layers, as
// other libraries write them: outputs agree with ONNX Runtime, and unsupported features are
// refused.

import { describe, expect, it } from 'vitest';
import type { Shape } from '../../src/base/shape.ts';
import { importOnnx } from '../../src/index.ts';
import { leavesOf } from '../../src/nn/specs/spec.ts';
import { encodeModel } from '../../src/onnx/format/encode.ts';
import {
  float,
  int,
  ints,
  type OnnxAttribute,
  type OnnxAttributes,
  type OnnxTensor,
  text,
} from '../../src/onnx/format/model.ts';
import { transposed } from '../../src/onnx/format/transpose.ts';
import { worstRelative } from '../support/layers/harness.ts';
import { floats, foreign, list, type Step, scalar } from '../support/onnx/foreign.ts';
import { ourOutputs, runOnnx, someSamples, toChannelsFirst } from '../support/onnx/runtime.ts';

const SAMPLES = 3;
const image: Shape = [5, 4, 6];
const sequence: Shape = [5, 4];
/** Orders of [N, T, C] in ONNX. */
const TIMES = [1, 0, 2];
const LAST = [0, 1, 2];

const one = (length: number, value: number): OnnxTensor => {
  return { type: 'float', shape: [length], values: new Float32Array(length).fill(value) };
};
const texts = (...value: string[]): OnnxAttribute => ({ type: 'strings', value });
const turn = { perm: ints(TIMES) };

interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly constants: Readonly<Record<string, OnnxTensor>>;
  readonly sample: Shape;
  readonly axes?: readonly number[];
  readonly opset?: number;
  /** The layers that it becomes, where that matters. */
  readonly layers?: readonly string[];
}

const gates = (op: 'RNN' | 'GRU' | 'LSTM', hidden: number, columns: number) => {
  const rows = { RNN: 1, GRU: 3, LSTM: 4 }[op] * hidden;
  const weights = { w: floats(1, rows, columns), r: floats(1, rows, hidden) };
  return { ...weights, b: floats(1, 2 * rows) };
};

const upward = (attributes: OnnxAttributes): readonly Step[] => [
  ['ConvTranspose', ['.', 'w', 'b'], { strides: ints([2, 3]), ...attributes }],
];
const kernels = { w: floats(6, 2, 3, 4), b: floats(2) };

const cases: readonly Case[] = [
  {
    name: 'a transposed convolution that is cut off more at the end',
    steps: upward({ pads: ints([0, 1, 2, 4]), output_padding: ints([1, 1]) }),
    constants: kernels,
    sample: image,
    layers: ['convTranspose2d', 'slice'],
  },
  {
    name: 'a transposed convolution that is cut off less at the end',
    steps: upward({ pads: ints([1, 2, 0, 1]) }),
    constants: kernels,
    sample: image,
    layers: ['convTranspose2d'],
  },
  {
    name: 'a transposed convolution to a shape',
    steps: upward({ output_shape: ints([12, 13]) }),
    constants: kernels,
    sample: image,
  },
  {
    name: 'a transposed convolution to as many pixels as steps',
    steps: upward({ auto_pad: text('SAME_LOWER') }),
    constants: kernels,
    sample: image,
  },
  {
    name: 'group norm as PyTorch writes it, and gelu',
    steps: [
      ['Reshape', ['.', 'groups']],
      ['InstanceNormalization', ['.', 'one', 'zero'], { epsilon: float(1e-3) }],
      ['Shape', ['x']],
      ['Reshape', ['v1', '.']],
      ['Mul', ['.', 'g']],
      ['Add', ['.', 'h']],
      ['Div', ['.', 'root']],
      ['Erf', ['.']],
      ['Add', ['.', 'unit']],
      ['Mul', ['v5', '.']],
      ['Mul', ['.', 'half']],
    ],
    constants: {
      ...{ groups: list(0, 3, -1), one: one(3, 1), zero: one(3, 0) },
      ...{ g: floats(6, 1, 1), h: floats(6, 1, 1), root: scalar(Math.SQRT2) },
      ...{ unit: scalar(1), half: scalar(0.5) },
    },
    sample: image,
    layers: ['groupNorm', 'gelu'],
  },
  {
    name: 'norms of instances, groups with weights, and whole samples',
    steps: [
      ['InstanceNormalization', ['.', 'g', 'h']],
      ['Reshape', ['.', 'groups']],
      ['InstanceNormalization', ['.', 'two', 'pair']],
      ['Reshape', ['.', 'back']],
      ['LayerNormalization', ['.', 'w', 'b'], { axis: int(1) }],
      ['Flatten', ['.']],
      ['LayerNormalization', ['.', 'v'], { axis: int(-1) }],
      ['Gemm', ['.', 'm']],
    ],
    constants: {
      ...{ g: floats(6), h: floats(6), two: floats(2), pair: floats(2) },
      ...{ groups: list(-1, 2, 60), back: list(0, 6, 5, 4), w: floats(6, 5, 4) },
      ...{ b: floats(6, 5, 4), v: floats(120), m: floats(120, 3) },
    },
    sample: image,
    opset: 17,
    layers: ['instanceNorm', 'groupNorm', 'layerNorm', 'flatten', 'layerNorm', 'linear'],
  },
  {
    name: 'convolutions and pools of sequences',
    steps: [
      ['Conv', ['.', 'w', 'b'], { pads: ints([2, 0]), dilations: ints([2]) }],
      ['MaxPool', ['.'], { kernel_shape: ints([2]), auto_pad: text('SAME_UPPER') }],
      ['AveragePool', ['.'], { kernel_shape: ints([3]), pads: ints([1, 1]) }],
      ['GlobalAveragePool', ['.']],
      ['Mul', ['v2', '.']],
      ['ReduceMean', ['.'], { axes: ints([-1]), keepdims: int(0) }],
    ],
    constants: { w: floats(6, 4, 2), b: floats(6) },
    sample: sequence,
  },
  {
    name: 'a product, a norm and an activation of each time step',
    steps: [
      ['MatMul', ['.', 'm']],
      ['Add', ['b', '.']],
      ['LayerNormalization', ['.', 'w', 'c']],
      ['Transpose', ['.'], { perm: ints([0, 2, 1]) }],
      ['Relu', ['.']],
    ],
    constants: { m: floats(4, 7), b: floats(7), w: floats(7), c: floats(7) },
    sample: sequence,
    axes: LAST,
    opset: 17,
    layers: ['conv1d', 'layerNorm', 'relu'],
  },
  {
    name: 'a gru with samples first, of which the last state is taken',
    steps: [
      ['Shape', ['.']],
      ['Gather', ['.', 'first']],
      ['Unsqueeze', ['.', 'axis0']],
      ['Concat', ['axis1', '.', 'three'], { axis: int(0) }],
      ['ConstantOfShape', ['.']],
      ['Transpose', ['x'], turn],
      ['GRU', ['.', 'w', 'r', 'b', '', 'v4'], { linear_before_reset: int(1), hidden_size: int(3) }],
      ['Squeeze', ['.', 'axis1']],
      ['Transpose', ['.'], turn],
      ['Gather', ['.', 'end'], { axis: int(1) }],
    ],
    constants: {
      ...gates('GRU', 3, 4),
      ...{ axis0: list(0), axis1: list(1), three: list(3) },
      ...{ first: { ...list(0), shape: [] }, end: { ...list(-1), shape: [] } },
    },
    sample: sequence,
    axes: LAST,
  },
  {
    name: 'an lstm of which all states and the last one are read',
    steps: [
      ['LSTM', ['.', 'w', 'r', 'b'], { hidden_size: int(3) }],
      ['Squeeze', ['.', 'axis1']],
      ['RNN', ['.', 'v', 's'], { hidden_size: int(3), activations: texts('Relu') }],
      ['Gather', ['v2_1', 'zero'], { axis: int(0) }],
      ['Squeeze', ['v0_1', 'axis0']],
      ['Sub', ['.', 'v3']],
    ],
    constants: {
      ...gates('LSTM', 3, 4),
      ...{ axis0: list(0), axis1: list(1), zero: { ...list(0), shape: [] } },
      ...{ v: floats(1, 3, 3), s: floats(1, 3, 3) },
    },
    sample: sequence,
    axes: TIMES,
  },
];

function fileOf({ steps, constants, sample, axes, opset }: Case): Uint8Array {
  const options = { sample, ...(axes && { axes }), ...(opset && { opset }) };
  return encodeModel(foreign(steps, constants, options));
}

describe('a file from other software', () => {
  it.each(cases)('computes the same as there: $name', async (one) => {
    const { sample, layers } = one;
    const bytes = fileOf(one);
    const { model, weights, inputShape } = await importOnnx(bytes);
    expect(inputShape).toEqual(sample);
    if (layers !== undefined) expect(leavesOf(model).map(({ kind }) => kind)).toEqual(layers);
    const x = someSamples(SAMPLES, sample);
    const rank = sample.length;
    const axes = one.axes ?? [0, rank, ...sample.slice(1).map((_, i) => i + 1)];
    const shape = [SAMPLES, ...sample];
    const dims = axes.map((axis) => shape[axis]!);
    const [expected] = Object.values(await runOnnx(bytes, transposed(x, shape, axes), dims));
    const { y, outputShape } = ourOutputs(model, weights, { inputShape, x });
    expect(worstRelative(toChannelsFirst(y, outputShape), expected!.values)).toBeLessThan(1e-5);
  });

  it.each<[string, readonly Step[], RegExp]>([
    ['a gru that resets first', [['GRU', ['.', 'w', 'r', 'b']]], /GRU.*linear_before_reset 0/],
    ['one that goes back', [['GRU', ['.', 'w', 'r'], { direction: text('reverse') }]], /reverse/],
    [
      'one with other activations',
      [['GRU', ['.', 'w', 'r'], { activations: texts('Tanh', 'Tanh') }]],
      /activations \[Tanh,Tanh\], not \[Sigmoid,Tanh\]/,
    ],
    [
      'one that begins with a state',
      [['GRU', ['.', 'w', 'r', '', '', 'h'], { linear_before_reset: int(1) }]],
      /node0 \(GRU\).*has a hidden state input/,
    ],
    ['states as an output', [['RNN', ['.', 'v', 's']]], /v0 .* not begin with the axis of samples/],
    [
      'one of another order',
      [
        ['RNN', ['.', 'v', 's']],
        ['RNN', ['.', 'v', 's']],
      ],
      /node1 \(RNN\).* not a sequence \[T, N, C\]/,
    ],
    [
      'erf elsewhere',
      [
        ['RNN', ['.', 'v', 's']],
        ['Erf', ['.']],
      ],
      /Erf.* only in gelu/,
    ],
  ])('is refused by the name of its node: %s', async (_, steps, message) => {
    const constants = { ...gates('GRU', 3, 4), h: floats(1, 1, 3) };
    const more = { v: floats(1, 3, 4), s: floats(1, 3, 3) };
    const file = foreign(steps, { ...constants, ...more }, { sample: sequence, axes: TIMES });
    await expect(importOnnx(encodeModel(file))).rejects.toThrow(message);
  });
});
