// Imports pools and upsampling of ONNX files.

import { asImage } from '../../nn/conv/sequenceKinds.ts';
import { avgPool, globalAvgPool, globalMaxPool, maxPool } from '../../nn/specs/pools.ts';
import { avgPool1d, maxPool1d } from '../../nn/specs/pools1d.ts';
import { reshape } from '../../nn/specs/reshape.ts';
import { upsample } from '../../nn/specs/upsample.ts';
import type { Importer, NodeReader } from './nodeReader.ts';
import { meanSquare } from './parts.ts';
import { type Activation, axesOf, BATCH } from './values.ts';
import { alongTime, ceilPadding, kernelOf, type Windows, windowsOf } from './windows.ts';

function windowsFor(node: NodeReader, image: Activation): Windows {
  const kernel = node.ints('kernel_shape') ?? [];
  if (kernel.length !== image.shape.length - 1) return node.fail(`has kernel_shape [${kernel}]`);
  const windows = windowsOf(node, image, kernelOf(kernel));
  if (windows.dilation.some((step) => step !== 1)) return node.fail('has dilations');
  if (node.int('ceil_mode', 0) === 0) return windows;
  const { padding } = windows;
  const bottom = padding.bottom + ceilPadding(windows, image, 0);
  const right = padding.right + ceilPadding(windows, image, 1);
  return { ...windows, padding: { ...padding, bottom, right } };
}

const maximum: Importer = (node) => {
  const x = node.grid(0);
  const { dilation: _one, ...windows } = windowsFor(node, x);
  const layer = x.shape.length === 2 ? maxPool1d(alongTime(windows)) : maxPool(windows);
  return node.builder.layer(node.name, layer, x);
};

const average: Importer = (node) => {
  const x = node.grid(0);
  const { dilation: _one, ...windows } = windowsFor(node, x);
  const countIncludePad = node.int('count_include_pad', 0) !== 0;
  if (countIncludePad && node.int('ceil_mode', 0) !== 0) {
    return node.fail('counts padding in windows that reach beyond it (ceil_mode)');
  }
  const layer =
    x.shape.length === 2
      ? avgPool1d({ ...alongTime(windows), countIncludePad })
      : avgPool({ ...windows, countIncludePad });
  return node.builder.layer(node.name, layer, x);
};

/** Pools over all pixels; ONNX keeps them as one: [N, C, 1, 1]. */
function overPixels(layer: typeof globalAvgPool | typeof globalMaxPool): Importer {
  return (node) => {
    const x = node.grid(0);
    const vector = node.builder.layer(node.name, layer(), asRow(node, x));
    return asPixel(node, vector, x.shape.length);
  };
}

/** A sequence as an image with one row. */
function asRow(node: NodeReader, x: Activation): Activation {
  if (x.shape.length === 3) return x;
  return node.builder.layer(`${node.name}.row`, reshape(asImage(x.shape)), x);
}

/** A vector as an image or a sequence with one position. */
function asPixel(node: NodeReader, vector: Activation, rank: number): Activation {
  const shape = [...new Array<number>(rank - 1).fill(1), vector.shape[0]!];
  return node.builder.layer(`${node.name}.pixel`, reshape(shape), vector);
}

const reduceMean: Importer = (node) => {
  const part = node.input(0);
  if (part?.is === 'square') return meanSquare(node, part);
  const x = node.activation(0);
  const axes = axesOf(x) ?? '';
  const given = (node.list('axes', 1) ?? []).map((axis) => (axis < 0 ? axis + axes.length : axis));
  const over = [...axes].filter((_, i) => given.includes(i)).join('');
  const isWhole = over !== '' && over === axes.replace(/[NC]/g, '');
  if (!isWhole) return node.fail(`takes the mean over axes [${given}], not of pixels`);
  const vector = node.builder.layer(node.name, globalAvgPool(), asRow(node, x));
  if (node.int('keepdims', 1) === 0) return { ...vector, channels: 'first' };
  return { ...asPixel(node, vector, x.shape.length), channels: x.channels };
};

/** Coordinate modes with nearest positions at floor(position / scale), for integer scales. */
const NEAREST: readonly string[] = [
  'asymmetric floor',
  'half_pixel round_prefer_floor',
  'half_pixel round_prefer_ceil',
  'pytorch_half_pixel round_prefer_floor',
  'pytorch_half_pixel round_prefer_ceil',
];

const resize: Importer = (node) => {
  const image = node.image(0);
  const size = resizedTo(node, image);
  const mode = node.text('mode', 'nearest');
  // Before opset 11, there were no such attributes, and this was the rule.
  const isOld = node.opset < 11;
  const free = isOld ? 'asymmetric' : 'half_pixel';
  const positions = node.text('coordinate_transformation_mode', free);
  const rounding = node.text('nearest_mode', isOld ? 'floor' : 'round_prefer_floor');
  const scale = size.map((to, i) => to / image.shape[i]!);
  if (mode === 'nearest') {
    const known = NEAREST.includes(`${positions} ${rounding}`) && scale.every(Number.isInteger);
    if (!known) return node.fail(`takes nearest pixels by ${positions} and ${rounding}`);
    return node.builder.layer(node.name, upsample({ size }), image);
  }
  const alignCorners = positions === 'align_corners';
  const isHalf = /^(pytorch_)?half_pixel$/.test(positions) && scale.every((one) => one >= 1);
  if (mode !== 'linear' || !(alignCorners || isHalf)) {
    return node.fail(`interpolates by ${mode} and ${positions}`);
  }
  return node.builder.layer(node.name, upsample({ size, mode: 'bilinear', alignCorners }), image);
};

/** Height and width of the output, from scales or sizes. */
function resizedTo(node: NodeReader, image: Activation): readonly [number, number] {
  const isOld = node.opset < 11 || node.op === 'Upsample';
  const scales = node.list('scales', isOld ? 1 : 2);
  if (scales?.length === 4) {
    if (scales[0] !== 1 || scales[1] !== 1) return node.fail('scales more than height and width');
    const [height, width] = [0, 1].map((i) => image.shape[i]! * scales[i + 2]!);
    // For non-integer sizes, engines disagree about the positions of output pixels.
    if (Number.isInteger(height) && Number.isInteger(width)) return [height!, width!];
    return node.fail(`scales ${image.shape[0]}x${image.shape[1]} pixels to ${height}x${width}`);
  }
  const sizes = node.input(3);
  const list =
    sizes?.is === 'sizes' ? sizes.sizes : sizes?.is === 'constant' ? [...sizes.tensor.values] : [];
  const [height, width] = list.slice(2);
  if (list.length !== 4 || height === BATCH || width === BATCH) {
    return node.fail('does not give a size');
  }
  return [height!, width!];
}

export const poolImporters: Readonly<Record<string, Importer>> = {
  AveragePool: average,
  GlobalAveragePool: overPixels(globalAvgPool),
  GlobalMaxPool: overPixels(globalMaxPool),
  MaxPool: maximum,
  ReduceMean: reduceMean,
  Resize: resize,
  Upsample: resize,
};
