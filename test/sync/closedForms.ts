// Inputs of collectives and what has to come out, as closed forms of (rank, index, worldSize).

import type { NumberArray, NumberType, ReduceOp } from '../../src/sync/fold.ts';

export const LENGTHS = [0, 1, 7, 4096, 100_003];
export const WORLD_SIZES = [1, 2, 3, 5, 8];

export function makeArray(type: NumberType, length: number): NumberArray {
  if (type === 'float32') return new Float32Array(length);
  return type === 'float64' ? new Float64Array(length) : new Int32Array(length);
}

/** All inputs repeat after so many indices: 7 * 11 * 3. */
export const PERIOD = 231;

/** What a rank contributes at an index. */
export function inputOf(op: ReduceOp, rank: number, index: number): number {
  if (op === 'prod') return (rank + index) % 3 === 0 ? -2 : 1;
  if (op === 'min' || op === 'max') return ((rank * 5 + index) % 11) - 5;
  return (rank + 1) * ((index % 7) + 1);
}

/** The reduction of {@link inputOf} over all ranks. */
export function reducedOf(op: ReduceOp, worldSize: number, index: number): number {
  const inputs = Array.from({ length: worldSize }, (_, rank) => inputOf(op, rank, index));
  if (op === 'min') return Math.min(...inputs);
  if (op === 'max') return Math.max(...inputs);
  if (op === 'prod') {
    const first = (3 - (index % 3)) % 3;
    return (-2) ** Math.ceil(Math.max(0, worldSize - first) / 3);
  }
  const sum = ((worldSize * (worldSize + 1)) / 2) * ((index % 7) + 1);
  return op === 'sum' ? sum : sum / worldSize;
}
