// Plain twins of Winograd's kernels: the matrices of F(4x4, 3x3) and F(2x2, 3x3) as stated in
// ../abi/winograd.ts, multiplied out in float64, one tile and channel at a time.

/** Rows of a matrix. */
export type Matrix = readonly (readonly number[])[];

const A = Math.SQRT1_2;
const B = Math.SQRT2;

/** The matrices along an axis, for tiles with 6 places or 4. */
export interface WinogradAxis {
  /** B': from the inputs of a tile to its places. */
  readonly input: Matrix;
  /** A': from places to outputs. */
  readonly output: Matrix;
}

export const WINOGRAD_AXES: Readonly<Record<4 | 6, WinogradAxis>> = {
  6: {
    input: [
      [1, 0, -2.5, 0, 1, 0],
      [0, -B, -2, A, 1, 0],
      [0, B, -2, -A, 1, 0],
      [0, 1, 0, -2.5, 0, 1],
      [0, -A, -0.5, B, 1, 0],
      [0, A, -0.5, -B, 1, 0],
    ],
    output: [
      [1, 1, 1, 0, 1, 1],
      [0, A, -A, 0, B, -B],
      [0, 0.5, 0.5, 0, 2, 2],
      [0, A / 2, -A / 2, 1, 2 * B, -2 * B],
    ],
  },
  4: {
    input: [
      [1, 0, -2, 0],
      [0, -1.5 * A, -1.5, 0],
      [0, 1.5 * A, -1.5, 0],
      [0, -0.5, 0, 1],
    ],
    output: [
      [1, 1, 1, 0],
      [0, A, -A, 1],
    ],
  },
};

/** G: from a kernel of 3 to the 6 places; F(2, 3) uses the first 4. */
export const WEIGHT_TRANSFORM: Matrix = [
  [1, 0, 0],
  [-2 / 3, (-2 * A) / 3, -1 / 3],
  [-2 / 3, (2 * A) / 3, -1 / 3],
  [0, 0, 1],
  [1 / 6, B / 6, 1 / 3],
  [1 / 6, -B / 6, 1 / 3],
];

export function transposeRef(matrix: Matrix): Matrix {
  return matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
}

function multiplyRef(a: Matrix, b: Matrix): Matrix {
  return a.map((row) =>
    transposeRef(b).map((column) => row.reduce((sum, value, i) => sum + value * column[i]!, 0)),
  );
}

/** rows tile columns'. */
export function sandwichRef(rows: Matrix, tile: Matrix, columns: Matrix): Matrix {
  return multiplyRef(multiplyRef(rows, tile), transposeRef(columns));
}
