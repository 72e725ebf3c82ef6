// Inputs of collectives and their expected results, as closed forms of (rank, index, worldSize).

import type { NumberArray, NumberType, ReduceOp } from '../../../src/sync/arrays.ts';

export const LENGTHS = [0, 1, 7, 4096, 20_011];
export const WORLD_SIZES = [1, 2, 3, 5, 8];

export function makeArray(type: NumberType, length: number): NumberArray {
  if (type === 'float32') return new Float32Array(length);
  if (type === 'float64') return new Float64Array(length);
  return type === 'int32' ? new Int32Array(length) : new Uint8Array(length);
}

/** A view of memory. */
export function viewOf(
  type: NumberType,
  buffer: ArrayBufferLike,
  offsetBytes: number,
  length: number,
): NumberArray {
  if (type === 'float32') return new Float32Array(buffer, offsetBytes, length);
  if (type === 'float64') return new Float64Array(buffer, offsetBytes, length);
  return type === 'int32'
    ? new Int32Array(buffer, offsetBytes, length)
    : new Uint8Array(buffer, offsetBytes, length);
}

/** All inputs repeat after so many indices: 7 * 11 * 3. */
export const PERIOD = 231;

/** What a rank contributes at an index; uint8 keeps it modulo 256. */
export function inputOf(type: NumberType, op: ReduceOp, rank: number, index: number): number {
  if (op === 'prod') return (rank + index) % 3 === 0 ? -2 : 1;
  const least = type === 'uint8' ? 0 : -5;
  if (op === 'min' || op === 'max') return ((rank * 5 + index) % 11) + least;
  return (rank + 1) * ((index % 7) + 1);
}

/** The reduction of {@link inputOf} over the first `count` ranks, at least one. */
export function reducedOf(type: NumberType, op: ReduceOp, count: number, index: number): number {
  const inputs = Array.from({ length: count }, (_, rank) => inputOf(type, op, rank, index));
  if (op === 'min') return Math.min(...inputs);
  if (op === 'max') return Math.max(...inputs);
  if (op === 'prod') {
    const first = (3 - (index % 3)) % 3;
    return (-2) ** Math.ceil(Math.max(0, count - first) / 3);
  }
  const sum = ((count * (count + 1)) / 2) * ((index % 7) + 1);
  return op === 'sum' ? sum : sum / count;
}

/** What an exclusive scan gives on rank 0. */
export function identityOf(type: NumberType, op: ReduceOp): number {
  if (op === 'sum') return 0;
  if (op === 'prod') return 1;
  if (type === 'int32') return op === 'min' ? 2 ** 31 - 1 : -(2 ** 31);
  if (type === 'uint8') return op === 'min' ? 255 : 0;
  return op === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}
