// What a layer should compute, with the plain-loop twins in float64: forward, input gradient and
// parameter gradients of any spec that the tests use, residuals and sequences included.

import { channelsOf, type Shape, sizeOf } from '../../../src/base/shape.ts';
import {
  type ConvRefOptions,
  conv2dInputGradRef,
  conv2dRef,
  conv2dWeightGradRef,
  convOutputSizeRef,
  linearInputGradRef,
  linearRef,
  linearWeightGradRef,
} from '../../../src/kernels/reference/conv.ts';
import {
  type ConvTransposeRefOptions,
  convTranspose2dInputGradRef,
  convTranspose2dRef,
  convTranspose2dWeightGradRef,
  convTransposeOutputSizeRef,
} from '../../../src/kernels/reference/convTranspose.ts';
import { columnSumsRef } from '../../../src/kernels/reference/fold.ts';
import { preluGradRef, preluRef } from '../../../src/kernels/reference/prelu.ts';
import { softmaxGradRef, softmaxRef } from '../../../src/kernels/reference/softmax.ts';
import { WEIGHT_STANDARDIZATION_EPS } from '../../../src/nn/layers/weightStandardization.ts';
import type { Conv1dSpec } from '../../../src/nn/specs/conv1d.ts';
import type { Conv2dSpec } from '../../../src/nn/specs/conv2d.ts';
import type { LayerSpec, LeafSpec } from '../../../src/nn/specs/spec.ts';
import { runGraph } from './graphReferences.ts';
import {
  countOf,
  isNormSpec,
  type RefInput,
  type RefOutput,
  runNorm,
  standardizeRef,
} from './normReferences.ts';
import { runRecurrent } from './recurrentReferences.ts';

type Doubles = Float64Array;

/** Runs a spec. */
export function runReference(spec: LayerSpec, input: RefInput, path = ''): RefOutput {
  if (spec.kind === 'sequential') {
    const passed: RefOutput[] = [];
    let value = input;
    for (const [i, layer] of spec.layers.entries()) {
      const name = layer.kind === 'sequential' ? `${i}` : `${i}.${layer.kind}`;
      const result = runReference(layer, value, `${path}${path === '' ? '' : '.'}${name}`);
      passed.push(result);
      value = { ...value, x: result.y, shape: result.shape };
    }
    return {
      y: Float64Array.from(value.x),
      shape: value.shape,
      backward: (dy, gradients) =>
        passed.reduceRight<Doubles>(
          (d, result) => result.backward(d, gradients),
          Float64Array.from(dy),
        ),
    };
  }
  if (spec.kind === 'graph') return runGraph(spec, input, path, runReference);
  const own = path === '' ? spec.kind : path;
  if (spec.kind !== 'residual') return runLeaf(spec, input, own);
  const body = runReference(spec.body, input, `${own}.body`);
  const shortcut =
    spec.shortcut === null ? undefined : runReference(spec.shortcut, input, `${own}.shortcut`);
  const other = shortcut?.y ?? input.x;
  return {
    y: body.y.map((value, i) => value + other[i]!),
    shape: body.shape,
    backward(dy, gradients) {
      const right = shortcut?.backward(dy, gradients) ?? dy;
      return body.backward(dy, gradients).map((value, i) => value + right[i]!);
    },
  };
}

function runLeaf(spec: LeafSpec, input: RefInput, path: string): RefOutput {
  if (isNormSpec(spec)) return runNorm(spec, input, path);
  switch (spec.kind) {
    case 'conv2d': {
      const options: ConvRefOptions = {
        ...spec,
        ...paddingRef(spec, input.shape),
        countSamples: countOf(input),
        height: input.shape[0]!,
        width: input.shape[1]!,
      };
      const { weight, backward: weightBackward } = weightOf(spec, spec.outChannels, input, path);
      const shape = [...convOutputSizeRef(options), spec.outChannels];
      return {
        y: conv2dRef(input.x, weight, input.parameters[`${path}.bias`], options),
        shape,
        backward(dy, gradients) {
          gradients[`${path}.weight`] = weightBackward(
            conv2dWeightGradRef(input.x, Float64Array.from(dy), options),
          );
          if (spec.bias) gradients[`${path}.bias`] = columns(dy, spec.outChannels);
          return conv2dInputGradRef(dy, weight, options);
        },
      };
    }
    case 'conv1d': {
      const row = runConv1d(spec, input);
      return { ...row, shape: row.shape.slice(1) };
    }
    case 'convTranspose2d': {
      const options: ConvTransposeRefOptions = {
        ...spec,
        countSamples: countOf(input),
        height: input.shape[0]!,
        width: input.shape[1]!,
      };
      const weight = Float64Array.from(input.parameters[`${path}.weight`]!);
      return {
        y: convTranspose2dRef(input.x, weight, input.parameters[`${path}.bias`], options),
        shape: [...convTransposeOutputSizeRef(options), spec.outChannels],
        backward(dy, gradients) {
          gradients[`${path}.weight`] = convTranspose2dWeightGradRef(input.x, dy, options);
          if (spec.bias) gradients[`${path}.bias`] = columns(dy, spec.outChannels);
          return convTranspose2dInputGradRef(dy, weight, options);
        },
      };
    }
    case 'linear': {
      const options = { ...spec, countSamples: countOf(input) };
      const { weight, backward: weightBackward } = weightOf(spec, spec.outFeatures, input, path);
      return {
        y: linearRef(input.x, weight, input.parameters[`${path}.bias`], options),
        shape: [spec.outFeatures],
        backward(dy, gradients) {
          gradients[`${path}.weight`] = weightBackward(linearWeightGradRef(input.x, dy, options));
          if (spec.bias) gradients[`${path}.bias`] = columns(dy, spec.outFeatures);
          return linearInputGradRef(dy, weight, options);
        },
      };
    }
    case 'relu':
      return {
        y: Float64Array.from(input.x, (v) => Math.max(v, 0)),
        shape: input.shape,
        backward: (dy) => Float64Array.from(dy, (d, i) => (input.x[i]! > 0 ? d : 0)),
      };
    case 'tanh': {
      const y = Float64Array.from(input.x, Math.tanh);
      const backward: RefOutput['backward'] = (dy) =>
        Float64Array.from(dy, (d, i) => d * (1 - y[i]! ** 2));
      return { y, shape: input.shape, backward };
    }
    case 'prelu': {
      const slopes = input.parameters[`${path}.weight`]!;
      return {
        y: preluRef(input.x, slopes),
        shape: input.shape,
        backward(dy, gradients) {
          const { dx, dslopes } = preluGradRef(dy, input.x, slopes);
          gradients[`${path}.weight`] = dslopes;
          return dx;
        },
      };
    }
    case 'softmax': {
      const columns = channelsOf(input.shape);
      const y = softmaxRef(input.x, columns);
      return { y, shape: input.shape, backward: (dy) => softmaxGradRef(dy, y, columns) };
    }
    case 'rnn':
    case 'gru':
    case 'lstm':
      return runRecurrent(spec, input, path);
    case 'flatten':
      return {
        y: Float64Array.from(input.x),
        shape: [sizeOf(input.shape)],
        backward: (dy) => Float64Array.from(dy),
      };
    case 'custom':
      return runChannelScale(input, path);
    default:
      throw new Error(`No reference for ${spec.kind} here: its tests are with its kernels.`);
  }
}

/** A sequence is an image of one row. */
function runConv1d(spec: Conv1dSpec, input: RefInput): RefOutput {
  const { padding, kernel, stride, dilation } = spec;
  const sides = { top: 0, bottom: 0, left: 0, right: 0 };
  const image: Conv2dSpec = {
    ...spec,
    kind: 'conv2d',
    kernel: [1, kernel],
    stride: [1, stride],
    dilation: [1, dilation],
    padding:
      typeof padding === 'number'
        ? [0, padding]
        : padding === 'same'
          ? padding
          : { ...sides, ...padding },
    algorithm: 'direct',
  };
  return runLeaf(image, { ...input, shape: [1, ...input.shape] }, spec.kind);
}

/** The zeros around an image; those of `same` by TensorFlow's formula. */
export function paddingRef(
  spec: Pick<Conv2dSpec, 'kernel' | 'stride' | 'dilation' | 'padding'>,
  image: Shape,
): Required<Pick<ConvRefOptions, 'padding' | 'paddingAfter'>> {
  const { padding, kernel, stride, dilation } = spec;
  if (padding === 'same') {
    const zeros = ([0, 1] as const).map((i) => {
      const rest = image[i]! % stride[i];
      return Math.max(dilation[i] * (kernel[i] - 1) + 1 - (rest === 0 ? stride[i] : rest), 0);
    }) as [number, number];
    const before = zeros.map((n) => Math.floor(n / 2)) as [number, number];
    return { padding: before, paddingAfter: [zeros[0] - before[0], zeros[1] - before[1]] };
  }
  if (!('top' in padding)) return { padding, paddingAfter: padding };
  const { top, bottom, left, right } = padding;
  return { padding: [top, left], paddingAfter: [bottom, right] };
}

/** The weight that a layer multiplies by, and the way of its gradient back to the parameter. */
function weightOf(
  spec: { readonly weightStandardization: boolean },
  outputs: number,
  input: RefInput,
  path: string,
): ReturnType<typeof standardizeRef> {
  const weight = Float64Array.from(input.parameters[`${path}.weight`]!);
  if (!spec.weightStandardization) return { weight, backward: (dweight) => dweight };
  return standardizeRef(weight, outputs, WEIGHT_STANDARDIZATION_EPS);
}

function columns(dy: Float32Array | Doubles, channels: number): Doubles {
  return columnSumsRef(dy, dy.length / channels, channels);
}

/** channelScale.mjs. */
function runChannelScale(input: RefInput, path: string): RefOutput {
  const channels = channelsOf(input.shape);
  const scale = input.parameters[`${path}.scale`]!;
  const shift = input.parameters[`${path}.shift`]!;
  return {
    y: Float64Array.from(input.x, (v, i) => v * scale[i % channels]! + shift[i % channels]!),
    shape: input.shape,
    backward(dy, gradients) {
      const products = Float64Array.from(dy, (d, i) => d * input.x[i]!);
      gradients[`${path}.scale`] = columns(products, channels);
      gradients[`${path}.shift`] = columns(dy, channels);
      return Float64Array.from(dy, (d, i) => d * scale[i % channels]!);
    },
  };
}
