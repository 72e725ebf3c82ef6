// Imports normalizations with their own ONNX operators: batch, instance and layer norm, and group
// norm, which is an instance norm with groups as channels. Those made of several nodes are in
// parts.ts.

import { sizeOf } from '../../base/shape.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../nn/specs/norms.ts';
import { transposed } from '../format/transpose.ts';
import type { Importer, NodeReader } from './nodeReader.ts';
import { type Activation, axesOf, type GroupsValue, shortest } from './values.ts';

const epsOf = (node: NodeReader): number => shortest(node.float('epsilon', 1e-5));

const batchNormalization: Importer = (node) => {
  const x = node.activation(0);
  if (node.int('training_mode', 0) !== 0) {
    return node.fail(
      'normalizes with batch statistics (training_mode 1)',
      'exporting the model in evaluation mode, with its norms kept',
    );
  }
  if (x.channels === 'last') return node.fail('normalizes an axis that does not hold channels');
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
    eps: epsOf(node),
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

/** Scale and bias of each channel. */
function gainAndShift(
  node: NodeReader,
  length: number,
): { readonly weight: Values; readonly bias: Values } {
  const [weight, bias] = [1, 2].map((i) => node.constant(i).values);
  const isFit = weight!.length === length && bias!.length === length;
  return isFit
    ? { weight: weight!, bias: bias! }
    : node.fail(`has ${weight!.length} and ${bias!.length} numbers for ${length} channels`);
}
type Values = Float32Array | Float64Array;

const instanceNormalization: Importer = (node) => {
  const found = node.input(0);
  if (found?.is === 'groups') return ofGroups(node, found);
  const x = node.grid(0);
  const channels = x.shape.at(-1)!;
  const layer = instanceNorm(channels, { eps: epsOf(node), affine: true });
  return node.builder.layer(node.name, layer, x, gainAndShift(node, channels));
};

function ofGroups(node: NodeReader, { of, count }: GroupsValue): GroupsValue {
  const { weight, bias } = gainAndShift(node, count);
  const isPlain = weight.every((one) => one === 1) && bias.every((one) => one === 0);
  const channels = of.shape.at(-1)!;
  const each = (values: Values): Values => {
    return Float32Array.from({ length: channels }, (_, c) => {
      return values[Math.floor((c * count) / channels)]!;
    });
  };
  const layer = groupNorm(count, channels, { eps: epsOf(node), affine: !isPlain });
  const tensors = isPlain ? {} : { weight: each(weight), bias: each(bias) };
  return { is: 'groups', of: node.builder.layer(node.name, layer, of, tensors), count };
}

const layerNormalization: Importer = (node) => {
  const x = node.elements(0);
  const axes = axesOf(x) ?? node.fail('normalizes a shape with unknown axes');
  const given = node.int('axis', -1);
  const first = given < 0 ? given + axes.length : given;
  const over = axes.slice(first);
  const isWhole = !over.includes('N') && first >= 1;
  // The whole sample, or the last axis both here and in ONNX.
  const isLast = x.channels === 'first' ? first === 1 : true;
  if (!isWhole || !isLast) return node.fail(`normalizes axis ${given} of [${[...axes]}]`);
  const shape = x.shape.slice(x.shape.length - over.length);
  const [weight, bias] = [1, 2].map((i) => {
    if (!node.has(i)) return new Float32Array(sizeOf(shape)).fill(i === 1 ? 1 : 0);
    return inOurOrder(node, x, node.constant(i).values, shape);
  });
  const layer = layerNorm(shape, { eps: epsOf(node) });
  return node.builder.layer(node.name, layer, x, { weight: weight!, bias: bias! });
};

/** Values of the normalized axes, channels last. */
function inOurOrder(
  node: NodeReader,
  { channels, flatOf }: Activation,
  values: Values,
  shape: readonly number[],
): Values {
  if (values.length !== sizeOf(shape)) {
    return node.fail(`has ${values.length} numbers for the shape [${shape}]`);
  }
  const own = flatOf ?? shape;
  if (own.length === 1 || (channels !== 'first' && flatOf === undefined)) return values;
  const axes = [...own.slice(1).map((_, i) => i + 1), 0];
  return transposed(values, [own.at(-1)!, ...own.slice(0, -1)], axes);
}

export const normImporters: Readonly<Record<string, Importer>> = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
};
