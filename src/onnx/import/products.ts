// Imports matrix products of ONNX files, of vectors and of each pixel or time step.

import { conv1d } from '../../nn/specs/conv1d.ts';
import { conv2d } from '../../nn/specs/conv2d.ts';
import { linear } from '../../nn/specs/linear.ts';
import type { OnnxTensor } from '../format/model.ts';
import { transposed } from '../format/transpose.ts';
import type { Importer, NodeReader } from './nodeReader.ts';
import { resampled, rowsOf } from './resample.ts';
import type { Activation } from './values.ts';

/** A product of vectors and a matrix [in, out]. */
function product(
  node: NodeReader,
  x: Activation,
  matrix: OnnxTensor,
  bias: Float32Array | Float64Array | undefined,
): Activation {
  const [inFeatures, outFeatures] = matrix.shape as [number, number];
  const { flatOf } = x;
  if (x.shape.at(-1) !== inFeatures && (x.shape.length === 1 || x.channels !== 'first')) {
    return node.fail(
      `has a matrix for ${inFeatures} features, but its input has ${x.shape.at(-1)}`,
    );
  }
  if (x.shape.length > 1) return pointwise(node, x, matrix);
  // Rows are in ONNX's pixel order, channels outermost; ours have channels innermost.
  const weight =
    flatOf === undefined
      ? matrix.values
      : transposed(matrix.values, [flatOf[2]!, flatOf[0]!, flatOf[1]!, outFeatures], [1, 2, 0, 3]);
  const layer = linear(inFeatures, outFeatures, { bias: bias !== undefined });
  const made = node.builder.layer(node.name, layer, x, { weight, ...(bias && { bias }) });
  const { flatOf: _order, ...rest } = made;
  return rest;
}

/** A product of the features of each pixel or time step, the last axis in ONNX. */
function pointwise(node: NodeReader, x: Activation, { shape, values }: OnnxTensor): Activation {
  const [inFeatures, outFeatures] = shape as [number, number];
  const layerOf = { 2: conv1d, 3: conv2d }[x.shape.length];
  if (layerOf === undefined || x.channels === 'first') {
    return node.fail('multiplies an axis other than the features');
  }
  const layer = layerOf(inFeatures, outFeatures, { kernel: 1, bias: false });
  return node.builder.layer(node.name, layer, x, { weight: values });
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
  const x = node.activation(0);
  if (x.shape.length !== 1)
    return node.fail('multiplies values that are not one vector per sample');
  if (node.int('transA', 0) !== 0) return node.fail('multiplies samples from the left');
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
  return product(node, x, { ...matrix, values }, bias);
};

const matMul: Importer = (node) => {
  const [a, b] = [node.input(0), node.input(1)];
  if (a?.is === 'constant' && b?.is === 'activation') return rowsOf(node, b, a.tensor);
  if (a?.is === 'rows') return resampled(node, a, node.constant(1));
  return product(node, node.elements(0), matrixOf(node, 1, false), undefined);
};

export const productImporters: Readonly<Record<string, Importer>> = {
  Gemm: gemm,
  MatMul: matMul,
};
