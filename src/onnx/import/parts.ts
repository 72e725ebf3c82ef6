// Imports layers that ONNX files have in several nodes; the last node makes the layer: gelu with
// erf, norms with the root of a mean of squares, and thresholds.

import { gelu, relu } from '../../nn/specs/activations.ts';
import { filterResponseNorm } from '../../nn/specs/filterResponseNorm.ts';
import { rmsNorm } from '../../nn/specs/rmsNorm.ts';
import { factorFor, type Importer, type NodeReader } from './nodeReader.ts';
import {
  type Activation,
  axesOf,
  combined,
  type ErfValue,
  isPlain,
  type SquareValue,
  shortest,
  type Value,
} from './values.ts';

const CLOSE = 1e-5;

const erf: Importer = (node) => {
  const x = node.elements(0);
  const { scale, shift } = x;
  const isHalf = typeof scale === 'number' && Math.abs(scale - Math.SQRT1_2) < CLOSE;
  if (!isHalf || shift !== 0) return node.fail('is supported only in gelu, of x / sqrt(2)');
  return { is: 'erf', of: { ...x, scale: 1 }, scale: 1, shift: 0 };
};

/** Combines a part with a number or with its own input; undefined if neither input is a part. */
export function ofParts(
  node: NodeReader,
  a: Value | undefined,
  b: Value | undefined,
): Value | undefined {
  const [part, other, isFirst] =
    a?.is === 'erf' || a?.is === 'square' ? [a, b, true] : [b, a, false];
  if (part?.is === 'erf') return withErf(node, part, other, isFirst);
  if (part?.is === 'square') return withSquare(node, part, other, isFirst);
  return undefined;
}

function withErf(
  node: NodeReader,
  part: ErfValue,
  other: Value | undefined,
  isFirst: boolean,
): Value {
  const { of, scale, shift } = part;
  if (other?.is === 'constant' && other.tensor.values.length === 1) {
    const [number] = other.tensor.values as ArrayLike<number> as [number];
    if (node.op === 'Add') return { ...part, shift: shift + number };
    if (node.op === 'Mul') return { ...part, scale: scale * number, shift: shift * number };
    if (node.op === 'Div' && isFirst)
      return { ...part, scale: scale / number, shift: shift / number };
  }
  const isOwn = other?.is === 'activation' && other.node === of.node && isPlain(other);
  if (node.op !== 'Mul' || !isOwn || Math.abs(scale - shift) > CLOSE) {
    return node.fail('uses erf in a way that is not gelu');
  }
  // x (1 + erf(x / sqrt(2))) / 2.
  return { ...node.builder.layer(node.name, gelu(), of), scale: shortest(2 * scale) };
}

/** x * x, if its mean is taken next. */
export function squareOf(node: NodeReader, a: Activation, b: Activation): SquareValue | undefined {
  const isSquare = a.node === b.node && isPlain(a) && isPlain(b);
  const isMeant = node.readers.length > 0 && node.readers.every((op) => op === 'ReduceMean');
  return isSquare && isMeant ? { is: 'square', of: a, eps: 0, isRoot: false } : undefined;
}

/** The mean of squares over some of ONNX's axes. */
export function meanSquare(node: NodeReader, part: SquareValue): SquareValue {
  const axes = axesOf(part.of);
  const given = node.list('axes', 1) ?? [];
  if (axes === undefined || node.int('keepdims', 1) === 0 || part.over !== undefined) {
    return node.fail('takes a mean of squares over axes that no norm here uses');
  }
  const places = given.map((axis) => (axis < 0 ? axis + axes.length : axis));
  return { ...part, over: [...axes].filter((_, i) => places.includes(i)).join('') };
}

const sqrt: Importer = (node) => {
  const part = node.input(0);
  if (part?.is !== 'square' || part.over === undefined || part.isRoot) {
    return node.fail('is supported only in norms, of a mean of squares');
  }
  return { ...part, isRoot: true };
};

function withSquare(
  node: NodeReader,
  part: SquareValue,
  other: Value | undefined,
  isFirst: boolean,
): Value {
  const { of, over, eps, isRoot } = part;
  if (
    node.op === 'Add' &&
    other?.is === 'constant' &&
    other.tensor.values.length === 1 &&
    !isRoot
  ) {
    return { ...part, eps: eps + other.tensor.values[0]! };
  }
  const isOwn = other?.is === 'activation' && other.node === of.node && isPlain(other);
  if (node.op !== 'Div' || isFirst || !isOwn || over === undefined || !isRoot) {
    return node.fail('uses a mean of squares in a way that is not a norm');
  }
  const axes = axesOf(of)!;
  const options = { eps: shortest(eps), affine: false };
  if (axes.endsWith(over) && (of.channels !== 'first' || of.shape.length === 1)) {
    const layer = rmsNorm(of.shape.slice(of.shape.length - over.length), options);
    return node.builder.layer(node.name, layer, of);
  }
  if (over !== axes.replace(/[NC]/g, '')) return node.fail(`takes means over the axes ${over}`);
  const layer = filterResponseNorm(of.shape.at(-1)!, { ...options, tlu: false });
  return node.builder.layer(node.name, layer, of);
}

/** max(x, threshold): the end of a filter response norm, or a shifted relu. */
const maximum: Importer = (node) => {
  if (node.count !== 2) return node.fail('does not compare exactly two values');
  const [x, threshold] = node.input(0)?.is === 'activation' ? [0, 1] : [1, 0];
  const value = node.elements(x);
  const factor = factorFor(node, node.constant(threshold), value);
  const thresholded = node.builder.thresholded(value, factor);
  if (thresholded !== undefined) return thresholded;
  const moved = combined(value.shift, factor, (a, b) => a - b);
  return { ...node.builder.layer(node.name, relu(), { ...value, shift: moved }), shift: factor };
};

export const partImporters: Readonly<Record<string, Importer>> = {
  Erf: erf,
  Max: maximum,
  Sqrt: sqrt,
};
