// Coefficients and sums of normalization over [rows, channels] float32, channels last.
// Coefficients, in 4 C float64: float64 mean[C], invStd[C]; then float32 m[C] = mean, scale[C] =
// invStd * weight, base[C] = bias - (mean - m) scale; C float32 unused. `sums`: float64 sum dy [C],
// sum dy xhat [C]. Gradient coefficients of dx = a (dy - c) + (d - k (x - m)): int32 `wide`. Where
// it is 0, from byte 16 on panels of eight channels, each float32 m[8], c[8], a[8], d[8], -k[8].
// Where it is 1, because fewer than 64 values were normalized together: from byte 4 C on float32
// m[C], then float64 a[C], d[C], -k[C], with c = 0. There is room for either: the larger of 4 C and
// 2 + 20 ceil(C / 8) float64.

export interface NormKernels {
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
  /** The sums that the gradients of input, weight and bias need. scratchPtr is room for 2 C
   * float32, C rounded up to a multiple of 4. */
  normGradSumsF32(
    xPtr: number,
    dyPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
    scratchPtr: number,
    vectorPtr: number,
  ): void;
  /** The same where a relu follows: dy counts as 0 where the relu's output is 0. */
  normReluGradSumsF32(
    xPtr: number,
    dyPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
    scratchPtr: number,
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
}
