// Coefficients and sums of normalization over [rows, channels] float32, channels last.
// Coefficients, in 4 C float64: float64 mean[C], invStd[C]; then float32 m[C] = mean, scale[C] =
// invStd * weight, base[C] = bias - (mean - m) scale; C float32 unused. `sums`: float64 sum dy [C],
// sum dy xhat [C]. Gradient coefficients of dx = a (dy - c) + (d - k (x - m)): int32 `wide`. If it
// is 0, panels of eight channels follow from byte 16 on, each float32 m[8], c[8], a[8], d[8],
// -k[8]. If it is 1, because fewer than 64 values were normalized together, float32 m[C] follow
// from byte 4 C on, then float64 a[C], d[C], -k[C], with c = 0. There is space for either: the
// larger of 4 C and 2 + 20 ceil(C / 8) float64.

export interface NormKernels {
  /** Coefficients from means and sums of squared deviations. The number of values is the float64 at
   * countPtr, with the biased variance M2 / count; for running statistics, which are variances,
   * countPtr is
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
  /** The sums that the gradients of input, weight and bias need. scratchPtr has space for 2 C
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
  /** The same if a relu follows: dy counts as 0 for elements with relu output 0. */
  normReluGradSumsF32(
    xPtr: number,
    dyPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
    scratchPtr: number,
    vectorPtr: number,
  ): void;
  /** Gradient coefficients. The float64 at countPtr is the number of values that each channel was
   * normalized over. */
  batchNormGradCoefficients(
    sumsPtr: number,
    countPtr: number,
    channels: number,
    coefficientsPtr: number,
    outPtr: number,
  ): void;
}
