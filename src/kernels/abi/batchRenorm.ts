// The kernels of batch renormalization (Ioffe 2017) besides those of norm.ts.

export interface BatchRenormKernels {
  /** Turns the coefficients of a batch normalization into those of xhat r + d: r = std /
   * runningStd within [1 / rMax, rMax], d = (mean - runningMean) / runningStd within [-dMax, dMax],
   * both kept in correctionsPtr, float64 r[C], d[C]. Running statistics are float64; weightPtr and
   * biasPtr may be 0. */
  batchRenormCoefficients(
    coefficientsPtr: number,
    channels: number,
    eps: number,
    runningMeanPtr: number,
    runningVarPtr: number,
    rMax: number,
    dMax: number,
    weightPtr: number,
    biasPtr: number,
    correctionsPtr: number,
  ): void;
  /** The gradient of the weight, dst = dst r + sumDy d, float64, which turns sums of dy xhat into
   * sums of dy (xhat r + d). */
  batchRenormWeightGrad(
    dstPtr: number,
    sumDyPtr: number,
    channels: number,
    correctionsPtr: number,
  ): void;
}
