// Kernels of filter response normalization (Singh and Krishnan 2020) of one sample,
// [rows, channels]: z = max(weight x / sqrt(mean(x^2) + eps) + bias, threshold), with the mean over
// rows. Coefficients, float64: invRms[C], scale[C] = invRms * weight, shift[C] = bias, threshold[C]
// (-Infinity if there is none).

export interface FilterResponseNormKernels {
  /** Coefficients of one sample; weightPtr, biasPtr and thresholdPtr may be 0. */
  filterResponseCoefficients(
    xPtr: number,
    rows: number,
    channels: number,
    eps: number,
    weightPtr: number,
    biasPtr: number,
    thresholdPtr: number,
    coefficientsPtr: number,
  ): void;
  /** z in float64, rounded once. */
  filterResponseF32(
    xPtr: number,
    zPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
  ): void;
  /** The gradients of weight, bias and threshold: sum dz x invRms [C] and sum dz [C] over elements
   * with z above the threshold, then sum dz [C] over the others. */
  filterResponseGradSums(
    xPtr: number,
    dzPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
    sumsPtr: number,
  ): void;
  /** dx in float64, rounded once. */
  filterResponseInputGradF32(
    xPtr: number,
    dzPtr: number,
    dxPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
    sumsPtr: number,
  ): void;
}
