// Kernels of products of two float32 tensors. Layout [N, P, C]: P pixels of C channels in each of N
// samples. The strict and the fast build give the same bits. Gradients are named dx, dy, dg: of the
// input, the output and the gates.

export interface JoinKernels {
  /** dst = a b, element by element. */
  multiplyF32(aPtr: number, bPtr: number, dstPtr: number, n: number): void;
  /** y[n, p, c] = x[n, p, c] g[n, c]. With dy for x it gives dx. */
  gateF32(
    xPtr: number,
    gPtr: number,
    yPtr: number,
    countSamples: number,
    countPixels: number,
    channels: number,
  ): void;
  /** dg[n, c] = sum over p of dy[n, p, c] x[n, p, c], in float64 in the order of p, rounded
   * once. */
  gateGradF32(
    dyPtr: number,
    xPtr: number,
    dgPtr: number,
    countSamples: number,
    countPixels: number,
    channels: number,
  ): void;
}
