// Imports upsampling by non-integer ratios. It is exported as products of an image with one matrix
// for its rows and one for its columns, and recognized if both are those of an upsampling mode.

import { upsample } from '../../nn/specs/upsample.ts';
import type { OnnxTensor } from '../format/model.ts';
import { sharesOf } from '../format/shares.ts';
import { transposed } from '../format/transpose.ts';
import type { NodeReader } from './nodeReader.ts';
import type { Activation, RowsValue } from './values.ts';

const MODES = [
  { mode: 'nearest', alignCorners: false },
  { mode: 'bilinear', alignCorners: false },
  { mode: 'bilinear', alignCorners: true },
] as const;
/** Tolerance for shares in float32. */
const CLOSE = 1e-6;

/** [OH, H] x [N, C, H, W]. */
export function rowsOf(node: NodeReader, of: Activation, matrix: OnnxTensor): RowsValue {
  const isImage = of.shape.length === 3 && of.channels === 'first';
  const isFit = matrix.shape.length === 2 && matrix.shape[1] === of.shape[0];
  if (!isImage || !isFit) return node.fail('multiplies a matrix with samples');
  return { is: 'rows', of, matrix };
}

/** [N, C, OH, W] x [W, OW]. */
export function resampled(
  node: NodeReader,
  { of, matrix: rows }: RowsValue,
  columns: OnnxTensor,
): Activation {
  const [height, width] = of.shape as [number, number];
  const [outHeight, outWidth] = [rows.shape[0]!, columns.shape[1] ?? 0];
  const known = MODES.find((mode) => {
    if (columns.shape.length !== 2 || columns.shape[0] !== width) return false;
    const wide = transposed(columns.values, columns.shape, [1, 0]);
    const isTall = isClose(rows.values, sharesOf(mode, height, outHeight));
    return isTall && isClose(wide, sharesOf(mode, width, outWidth));
  });
  if (known === undefined) return node.fail('mixes rows and columns as no upsampling does');
  return node.builder.layer(node.name, upsample({ size: [outHeight, outWidth], ...known }), of);
}

function isClose(given: ArrayLike<number>, shares: readonly (readonly number[])[]): boolean {
  return shares.flat().every((share, i) => Math.abs(given[i]! - share) < CLOSE);
}
