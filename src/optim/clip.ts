// Clipping of the gradient by its norm over all parameters, PyTorch's clip_grad_norm_. The squares
// are summed by fixed blocks of parameters and folded here in block order, so that the norm does
// not depend on who owns which block.

/** Keeps the division finite when the norm is 0. */
const CLIP_EPS = 1e-6;

/** The norm whose square is the sum of the blocks' sums of squares. */
export function gradientNorm(squares: Float64Array): number {
  let sum = 0;
  for (let block = 0; block < squares.length; block++) sum += squares[block]!;
  return Math.sqrt(sum);
}

/** What the gradient is to be multiplied with: maxNorm / (norm + 1e-6), at most 1. */
export function clipScale(squares: Float64Array, maxNorm: number): number {
  return Math.min(1, maxNorm / (gradientNorm(squares) + CLIP_EPS));
}
