// Clipping of the gradient by its norm over all parameters, PyTorch's clip_grad_norm_. The squares
// are summed by fixed blocks of parameters and folded here in block order, so that the norm does
// not depend on who owns which block.

/** Keeps the division finite when the norm is 0. */
const CLIP_EPS = 1e-6;

/** The square root of the sum of the blocks' sums of squares. */
export function gradientNorm(squares: Float64Array): number {
  let sum = 0;
  for (let block = 0; block < squares.length; block++) sum += squares[block]!;
  return Math.sqrt(sum);
}

/** Writes the factor for the gradient, maxNorm / (norm + 1e-6), at most 1. A returned number could
 * be heap-allocated in every step. */
export function writeClipScale(
  squares: Float64Array,
  maxNorm: number,
  rates: Float64Array,
  at: number,
): void {
  let sum = 0;
  for (let block = 0; block < squares.length; block++) sum += squares[block]!;
  rates[at] = Math.min(1, maxNorm / (Math.sqrt(sum) + CLIP_EPS));
}
