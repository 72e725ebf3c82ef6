// Writes layers that multiply by a weight: convolutions with weights [OC, IC/groups, KH, KW],
// transposed ones [IC, OC/groups, KH, KW], linear layers of vectors [out, in]. Standardized weights
// are standardized in the file.

import type { Shape } from '../../base/shape.ts';
import { standardize } from '../../checkpoint/foldNorm.ts';
import { axisOf, type ConvAxis } from '../../nn/conv/convGeometry.ts';
import { asImage, windowOf } from '../../nn/conv/sequenceKinds.ts';
import type { Conv1dSpec } from '../../nn/specs/conv1d.ts';
import type { Conv2dSpec } from '../../nn/specs/conv2d.ts';
import type { ConvTranspose2dSpec } from '../../nn/specs/convTranspose2d.ts';
import type { LinearSpec } from '../../nn/specs/linear.ts';
import { int, ints, type OnnxAttributes } from '../format/model.ts';
import { transposed } from '../format/transpose.ts';
import type { Emitter } from './emitter.ts';
import {
  channelsFirst,
  inMemoryOrder,
  type LayerPlace,
  layerNode,
  made,
  type OnnxValue,
} from './graphWriter.ts';

/** Windows in ONNX's form: all start paddings, then all end paddings. */
export function windowAttributes(axes: readonly ConvAxis[]): OnnxAttributes {
  const before = axes.map((axis) => axis.before);
  const after = axes.map((axis) => axis.after);
  return {
    kernel_shape: ints(axes.map(({ kernel }) => kernel)),
    strides: ints(axes.map(({ stride }) => stride)),
    pads: ints([...before, ...after]),
  };
}

/** Our weight with outputs last, [..., in, out], as [out, in, ...]. */
function outputsFirst(values: Float32Array | Float64Array, shape: Shape): Float32Array {
  const rank = shape.length;
  const axes = [rank - 1, rank - 2, ...Array.from({ length: rank - 2 }, (_, i) => i)];
  return Float32Array.from(transposed(values, shape, axes));
}

/** Adds the weight of a convolution, [K..., in, out] here, and its bias if it has one. */
function weightAndBias(
  place: LayerPlace,
  shape: Shape,
  spec: { readonly bias: boolean; readonly weightStandardization?: boolean },
): string[] {
  const { writer, path } = place;
  const [inputs, outputs] = shape.slice(-2) as [number, number];
  let values = place.tensor('weight');
  if (spec.weightStandardization === true) {
    const standard = Float64Array.from(values);
    standardize(standard, outputs);
    values = standard;
  }
  const kernel = shape.slice(0, -2);
  const weight = outputsFirst(values, shape);
  const names = [writer.floats(`${path}.weight`, [outputs, inputs, ...kernel], weight)];
  if (!spec.bias) return names;
  const bias = place.tensor('bias');
  return [...names, writer.floats(`${path}.bias`, [bias.length], bias)];
}

function emitConvolution(
  spec: Conv1dSpec | Conv2dSpec,
  input: OnnxValue,
  place: LayerPlace,
  axes: readonly ConvAxis[],
): OnnxValue {
  const { inChannels, outChannels, groups } = spec;
  const shape = [...axes.map(({ kernel }) => kernel), inChannels / groups, outChannels];
  const x = channelsFirst(place.writer, input).name;
  const name = layerNode(place, 'Conv', [x, ...weightAndBias(place, shape, spec)], {
    ...windowAttributes(axes),
    dilations: ints(axes.map(({ dilation }) => dilation)),
    group: int(groups),
  });
  return made(name, place, 'first');
}

const conv2dEmitter: Emitter<Conv2dSpec> = {
  kind: 'conv2d',
  emit(spec, input, place) {
    const axes = [axisOf(spec, input.shape, 0), axisOf(spec, input.shape, 1)];
    return emitConvolution(spec, input, place, axes);
  },
};

const conv1dEmitter: Emitter<Conv1dSpec> = {
  kind: 'conv1d',
  emit(spec, input, place) {
    const windows = { ...windowOf(spec), dilation: [1, spec.dilation] as const };
    return emitConvolution(spec, input, place, [axisOf(windows, asImage(input.shape), 1)]);
  },
};

const convTranspose2dEmitter: Emitter<ConvTranspose2dSpec> = {
  kind: 'convTranspose2d',
  emit(spec, input, place) {
    const { kernel, stride, padding, outputPadding, dilation, inChannels, outChannels } = spec;
    const shape = [...kernel, outChannels / spec.groups, inChannels];
    const x = channelsFirst(place.writer, input).name;
    const name = layerNode(place, 'ConvTranspose', [x, ...weightAndBias(place, shape, spec)], {
      kernel_shape: ints(kernel),
      strides: ints(stride),
      pads: ints([...padding, ...padding]),
      output_padding: ints(outputPadding),
      dilations: ints(dilation),
      group: int(spec.groups),
    });
    return made(name, place, 'first');
  },
};

const linearEmitter: Emitter<LinearSpec> = {
  kind: 'linear',
  emit(spec, input, place) {
    const tensors = weightAndBias(place, [spec.inFeatures, spec.outFeatures], spec);
    const x = flattened(input, place);
    return made(layerNode(place, 'Gemm', [x, ...tensors], { transB: int(1) }), place, 'first');
  },
};

/** The elements of each sample as a vector, in our order. */
export function flattened(input: OnnxValue, place: LayerPlace): string {
  const { name } = inMemoryOrder(place.writer, input);
  if (input.shape.length === 1) return name;
  return layerNode(place, 'Flatten', [name], { axis: int(1) });
}

export const productEmitters = [
  conv1dEmitter,
  conv2dEmitter,
  convTranspose2dEmitter,
  linearEmitter,
];
