// Kernels of normalization over [rows, channels] float32, channels last. Statistics are float64.
// Vectors: `moments` = count, mean[C], M2[C]; `sums` = sum dy [C], sum dy xhat [C].
// Coefficients: mean[C], scale[C] = invStd * weight, shift[C] = bias, invStd[C].
// Gradient coefficients: mean[C], a[C], b[C], k[C] of dx = a dy - b - k (x - mean).

export interface NormKernels {
  /** Moments of a shard; zeros when it has no rows. */
  momentsF32(xPtr: number, rows: number, channels: number, vectorPtr: number): void;
  /** Moments of the union of two shards (Chan, Golub, LeVeque 1979); dst may be a or b. */
  mergeMoments(dstPtr: number, aPtr: number, bPtr: number, channels: number): void;
  /** From means and sums of squared deviations of so many values as the float64 at countPtr says,
   * with the biased variance M2 / count; for running statistics, which are variances, countPtr is
   * 0. weightPtr and biasPtr may be 0: weight 1, bias 0. */
  batchNormCoefficients(
    meanPtr: number,
    m2Ptr: number,
    countPtr: number,
    channels: number,
    eps: number,
    weightPtr: number,
    biasPtr: number,
    coefficientsPtr: number,
  ): void;
  /** y = (x - mean) scale + shift, in float64, rounded once. */
  normalizeF32(
    xPtr: number,
    yPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
  ): void;
  /** The sums that the gradients of input, weight and bias need. */
  normGradSumsF32(
    xPtr: number,
    dyPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
    vectorPtr: number,
  ): void;
  /** Gradient coefficients where each channel was normalized over so many values as the float64 at
   * countPtr says. */
  batchNormGradCoefficients(
    sumsPtr: number,
    countPtr: number,
    channels: number,
    coefficientsPtr: number,
    outPtr: number,
  ): void;
  /** dx = a dy - b - k (x - mean), in float64, rounded once. */
  normInputGradF32(
    xPtr: number,
    dyPtr: number,
    dxPtr: number,
    rows: number,
    channels: number,
    gradCoefficientsPtr: number,
  ): void;
}
