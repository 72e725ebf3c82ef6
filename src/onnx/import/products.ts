// Convolutions, matrix products and batch normalization of ONNX files.

import { convOutputSize } from '../../nn/conv/convGeometry.ts';
import { conv2d } from '../../nn/specs/conv2d.ts';
import { linear } from '../../nn/specs/linear.ts';
import { batchNorm } from '../../nn/specs/norms.ts';
import type { OnnxTensor } from '../format/model.ts';
import { transposed } from '../format/transpose.ts';
import type { Importer, NodeReader } from './nodeReader.ts';
import type { Activation } from './values.ts';

/** What float32 has of a number that was written with at most 7 digits. */
const DIGITS = 7;

type Two = readonly [number, number];

/** Windows over an image, as they are read. */
export interface Windows {
  readonly kernel: Two;
  readonly stride: Two;
  readonly dilation: Two;
  readonly padding: { top: number; left: number; bottom: number; right: number };
}

function two(node: NodeReader, name: string, otherwise: Two): Two {
  const found = node.ints(name);
  if (found === undefined) return otherwise;
  return found.length === 2 ? (found as unknown as Two) : node.fail(`has ${name} [${found}]`);
}

/** The windows of a convolution or pool over the image that it reads. */
export function windowsOf(node: NodeReader, image: Activation, kernel: Two): Windows {
  const stride = two(node, 'strides', [1, 1]);
  const dilation = two(node, 'dilations', [1, 1]);
  const own = two(node, 'kernel_shape', kernel);
  const automatic = node.text('auto_pad', 'NOTSET');
  if (automatic !== 'NOTSET' && automatic !== 'VALID') {
    const zeros = [0, 1].map((i) => {
      const input = image.shape[i]!;
      const last = (Math.ceil(input / stride[i]!) - 1) * stride[i]!;
      return Math.max(0, last + dilation[i]! * (own[i]! - 1) + 1 - input);
    });
    const round = automatic === 'SAME_LOWER' ? Math.ceil : Math.floor;
    const [top, left] = zeros.map((count) => round(count / 2)) as [number, number];
    const padding = { top, left, bottom: zeros[0]! - top, right: zeros[1]! - left };
    return { kernel: own, stride, dilation, padding };
  }
  const pads = (automatic === 'VALID' ? undefined : node.ints('pads')) ?? [0, 0, 0, 0];
  if (pads.length !== 4) return node.fail(`has pads [${pads}]`);
  const [top, left, bottom, right] = pads as [number, number, number, number];
  return { kernel: own, stride, dilation, padding: { top, left, bottom, right } };
}

/** How many outputs an axis has, and how far beyond them the last window of `ceil_mode` reaches. */
export function ceilPadding(windows: Windows, image: Activation, i: 0 | 1): number {
  const [before, after] = i === 0 ? (['top', 'bottom'] as const) : (['left', 'right'] as const);
  const axis = {
    input: image.shape[i]!,
    kernel: windows.kernel[i],
    stride: windows.stride[i],
    dilation: windows.dilation[i],
    before: windows.padding[before],
    after: windows.padding[after],
  };
  const reach = axis.dilation * (axis.kernel - 1) + 1;
  const left = axis.input + axis.before + axis.after - reach;
  const outputs = Math.ceil(left / axis.stride) + 1;
  // A window that begins in the padding after the image is left out.
  const isBeyond = (outputs - 1) * axis.stride >= axis.input + axis.before;
  const wanted = isBeyond ? outputs - 1 : outputs;
  return wanted > convOutputSize(axis) ? (wanted - 1) * axis.stride - left : 0;
}

const conv: Importer = (node) => {
  const image = node.image(0);
  const { shape, values } = node.constant(1);
  if (shape.length !== 4) return node.fail(`has a weight of shape [${shape}], not of images`);
  const [outChannels, perGroup, ...kernel] = shape as unknown as [number, number, number, number];
  const groups = node.int('group', 1);
  const windows = windowsOf(node, image, kernel);
  if (`${windows.kernel}` !== `${kernel}`) return node.fail('has a kernel_shape not its weight’s');
  const bias = node.has(2) ? node.constant(2).values : undefined;
  const layer = conv2d(perGroup * groups, outChannels, {
    ...windows,
    groups,
    bias: bias !== undefined,
  });
  if (bias !== undefined && bias.length !== outChannels)
    return node.fail('has a bias of another length');
  const weight = transposed(values, shape, [2, 3, 1, 0]);
  return node.builder.layer(node.name, layer, image, { weight, ...(bias && { bias }) });
};

/** A product of vectors with a matrix [in, out]. */
function product(
  node: NodeReader,
  x: Activation,
  matrix: OnnxTensor,
  bias: Float32Array | Float64Array | undefined,
): Activation {
  const [inFeatures, outFeatures] = matrix.shape as [number, number];
  const { flatOf } = x;
  if (x.shape.length !== 1) return node.fail('multiplies what is not a vector of each sample');
  if (x.shape[0] !== inFeatures) {
    return node.fail(`has a matrix for ${inFeatures} features, and gets ${x.shape[0]}`);
  }
  // Rows follow ONNX's order of pixels, channels outermost; ours have them innermost.
  const weight =
    flatOf === undefined
      ? matrix.values
      : transposed(matrix.values, [flatOf[2]!, flatOf[0]!, flatOf[1]!, outFeatures], [1, 2, 0, 3]);
  const layer = linear(inFeatures, outFeatures, { bias: bias !== undefined });
  const made = node.builder.layer(node.name, layer, x, { weight, ...(bias && { bias }) });
  const { flatOf: _order, ...rest } = made;
  return rest;
}

function matrixOf(node: NodeReader, i: number, isTransposed: boolean): OnnxTensor {
  const tensor = node.constant(i);
  if (tensor.shape.length !== 2) return node.fail(`has a matrix of shape [${tensor.shape}]`);
  if (!isTransposed) return tensor;
  const [rows, columns] = tensor.shape as [number, number];
  const values = transposed(tensor.values, tensor.shape, [1, 0]);
  return { ...tensor, shape: [columns, rows], values };
}

const gemm: Importer = (node) => {
  if (node.int('transA', 0) !== 0) return node.fail('multiplies samples from the other side');
  const alpha = node.float('alpha', 1);
  const beta = node.float('beta', 1);
  const matrix = matrixOf(node, 1, node.int('transB', 0) !== 0);
  const values = matrix.values.map((value) => value * alpha);
  const outputs = matrix.shape[1]!;
  const given = node.has(2) ? node.constant(2).values : undefined;
  if (given !== undefined && given.length !== outputs && given.length !== 1) {
    return node.fail('adds a matrix, not a vector');
  }
  const bias =
    given &&
    Float32Array.from({ length: outputs }, (_, i) => {
      return beta * given[given.length === 1 ? 0 : i]!;
    });
  return product(node, node.activation(0), { ...matrix, values }, bias);
};

const matMul: Importer = (node) =>
  product(node, node.activation(0), matrixOf(node, 1, false), undefined);

const batchNormalization: Importer = (node) => {
  const x = node.activation(0);
  if (node.int('training_mode', 0) !== 0) {
    return node.fail(
      'normalizes by the batch (training_mode 1)',
      'exporting the model in evaluation mode, with its norms kept',
    );
  }
  if (x.channels === 'last') return node.fail('normalizes an axis that is not of channels');
  const channels = x.shape.at(-1)!;
  const [weight, bias, runningMean, runningVar] = [1, 2, 3, 4].map((i) => {
    const { values } = node.constant(i);
    if (values.length !== channels)
      return node.fail(`has ${values.length} of ${channels} channels`);
    if (x.flatOf === undefined) return values;
    const [height, width, planes] = x.flatOf as [number, number, number];
    return transposed(values, [planes, height, width], [1, 2, 0]);
  });
  const layer = batchNorm(channels, {
    eps: shortest(node.float('epsilon', 1e-5)),
    momentum: shortest(1 - shortest(node.float('momentum', 0.9))),
  });
  const tensors = {
    weight: weight!,
    bias: bias!,
    runningMean: runningMean!,
    runningVar: runningVar!,
  };
  return node.builder.layer(node.name, layer, x, tensors);
};

/** A float32 as it was written. */
export function shortest(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

export const productImporters: Readonly<Record<string, Importer>> = {
  BatchNormalization: batchNormalization,
  Conv: conv,
  Gemm: gemm,
  MatMul: matMul,
};
