// Imports convolutions of ONNX files, over images and sequences, including transposed ones.

import { conv1d } from '../../nn/specs/conv1d.ts';
import { conv2d } from '../../nn/specs/conv2d.ts';
import { convTranspose2d } from '../../nn/specs/convTranspose2d.ts';
import { slice } from '../../nn/specs/slice.ts';
import { transposed } from '../format/transpose.ts';
import type { Tensors } from './netBuilder.ts';
import type { Importer, NodeReader } from './nodeReader.ts';
import type { Activation } from './values.ts';
import { alongTime, kernelOf, padsOf, two, windowsOf } from './windows.ts';

/** A weight [OC, IC/groups, K...], or one of a transposed convolution with both channel axes
 * swapped, and the bias. */
function tensorsOf(
  node: NodeReader,
  x: Activation,
): { readonly shape: readonly number[]; readonly tensors: Tensors } {
  const { shape, values } = node.constant(1);
  const countKernel = x.shape.length - 1;
  if (shape.length !== countKernel + 2) return node.fail(`has a weight of shape [${shape}]`);
  const axes = [...Array.from({ length: countKernel }, (_, i) => i + 2), 1, 0];
  const weight = transposed(values, shape, axes);
  const own = node.ints('kernel_shape') ?? shape.slice(2);
  if (`${own}` !== `${shape.slice(2)}`)
    return node.fail('has a kernel_shape that differs from its weight’s');
  return { shape, tensors: { weight, ...(node.has(2) && { bias: node.constant(2).values }) } };
}

function checkBias(node: NodeReader, { bias }: Tensors, outChannels: number): void {
  if (bias === undefined || bias.length === outChannels) return;
  node.fail('has a bias of another length');
}

const conv: Importer = (node) => {
  const x = node.grid(0);
  const { shape, tensors } = tensorsOf(node, x);
  const [outChannels, perGroup, ...kernel] = shape as [number, number, ...number[]];
  checkBias(node, tensors, outChannels);
  const groups = node.int('group', 1);
  const windows = windowsOf(node, x, kernelOf(kernel));
  const options = { groups, bias: tensors.bias !== undefined };
  const layer =
    kernel.length === 1
      ? conv1d(perGroup * groups, outChannels, {
          ...alongTime(windows),
          dilation: windows.dilation[1],
          ...options,
        })
      : conv2d(perGroup * groups, outChannels, { ...windows, ...options });
  return node.builder.layer(node.name, layer, x, tensors);
};

/** How much a transposed convolution cuts off at the start and at the end. Negative values extend
 * the output. */
interface Cut {
  readonly before: number;
  readonly after: number;
}

function cutOf(node: NodeReader, image: Activation, kernel: readonly number[]): readonly Cut[] {
  const stride = two(node, 'strides', image, [1, 1]);
  const dilation = two(node, 'dilations', image, [1, 1]);
  const added = two(node, 'output_padding', image, [0, 0]);
  const wanted = node.ints('output_shape');
  const automatic = node.text('auto_pad', 'NOTSET');
  const [before, after] =
    automatic === 'VALID'
      ? [
          [0, 0],
          [0, 0],
        ]
      : padsOf(node, image);
  return [0, 1].map((i): Cut => {
    const step = stride[i]!;
    const input = image.shape[i]!;
    const whole = step * (input - 1) + dilation[i]! * (kernel[i]! - 1) + 1 + added[i]!;
    const isSame = automatic.startsWith('SAME');
    const output = wanted?.at(i - 2) ?? (isSame ? input * step : undefined);
    if (output === undefined) return { before: before![i]!, after: after![i]! - added[i]! };
    const total = Math.max(0, whole - output);
    const start = automatic === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
    const first = wanted !== undefined && !isSame ? Math.floor(total / 2) : start;
    return { before: first, after: whole - output - first - added[i]! };
  });
}

const convTranspose: Importer = (node) => {
  const image = node.image(0);
  const { shape, tensors } = tensorsOf(node, image);
  const [inChannels, perGroup, ...kernel] = shape as [number, number, number, number];
  const groups = node.int('group', 1);
  checkBias(node, tensors, perGroup * groups);
  const cuts = cutOf(node, image, kernel);
  const layer = convTranspose2d(inChannels, perGroup * groups, {
    kernel,
    stride: two(node, 'strides', image, [1, 1]),
    dilation: two(node, 'dilations', image, [1, 1]),
    padding: [cuts[0]!.before, cuts[1]!.before],
    // If more is cut off at the end than at the start, the rest is sliced off.
    outputPadding: [0, 1].map((i) => Math.max(0, cuts[i]!.before - cuts[i]!.after)) as never,
    groups,
    bias: tensors.bias !== undefined,
  });
  const made = node.builder.layer(node.name, layer, image, tensors);
  const excess = cuts.map(({ before, after }) => Math.max(0, after - before));
  if (excess.every((count) => count === 0)) return made;
  const [rows, columns] = excess.map((count, i) => [0, made.shape[i]! - count] as const);
  return node.builder.layer(`${node.name}.slice`, slice({ rows, columns } as never), made);
};

export const convolutionImporters: Readonly<Record<string, Importer>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
};
