// Plain twins of Winograd's kernels: the matrices of F(2x2, 3x3) as they are published (Lavin and
// Gray 2016), multiplied out in float64, a tile and a channel at a time.

/** Rows of a matrix. */
export type Matrix = readonly (readonly number[])[];

/** Transforms a 4x4 tile of inputs. */
export const INPUT_TRANSFORM: Matrix = [
  [1, 0, -1, 0],
  [0, 1, 1, 0],
  [0, -1, 1, 0],
  [0, 1, 0, -1],
];
/** Transforms a 3x3 kernel. */
export const WEIGHT_TRANSFORM: Matrix = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1],
];
/** From 4x4 products to 2x2 outputs. */
export const OUTPUT_TRANSFORM: Matrix = [
  [1, 1, 1, 0],
  [0, 1, -1, -1],
];

export function transposeRef(matrix: Matrix): Matrix {
  return matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
}

function multiplyRef(a: Matrix, b: Matrix): Matrix {
  return a.map((row) =>
    transposeRef(b).map((column) => row.reduce((sum, value, i) => sum + value * column[i]!, 0)),
  );
}

/** transform tile transform'. */
export function sandwichRef(transform: Matrix, tile: Matrix): Matrix {
  return multiplyRef(multiplyRef(transform, tile), transposeRef(transform));
}
