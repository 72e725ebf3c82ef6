// The kernels of normalization by constants besides those of norm.ts.

export interface FrozenNormKernels {
  /** Coefficients (norm.ts) from running statistics and float64 weight and bias, which may be 0;
   * and float64 scale[C] = weight / sqrt(var + eps). */
  frozenNormCoefficients(
    meanPtr: number,
    varPtr: number,
    channels: number,
    eps: number,
    weightPtr: number,
    biasPtr: number,
    coefficientsPtr: number,
    scalePtr: number,
  ): void;
  /** y[row][c] = x[row][c] scale[c] with float64 scales, rounded once; y may be x. */
  scaleRowsF32(xPtr: number, yPtr: number, rows: number, channels: number, scalePtr: number): void;
}
