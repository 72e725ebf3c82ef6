// Kernels of root mean square normalization (Zhang and Sennrich 2019) over rows of `length`
// elements, with a weight per element.

export interface RmsNormKernels {
  /** y = x / sqrt(mean(x^2) + eps) * weight for one row, in float64, rounded once; also writes the
   * factor of x, float64. weightPtr may be 0: weight 1. */
  rmsNormF32(
    xPtr: number,
    yPtr: number,
    length: number,
    eps: number,
    weightPtr: number,
    invRmsPtr: number,
  ): void;
  /** Its gradient; dxPtr is 0 if no input gradient is needed. Adds to the float64 gradient of the
   * weight unless that pointer is 0. */
  rmsNormGradF32(
    xPtr: number,
    dyPtr: number,
    dxPtr: number,
    length: number,
    weightPtr: number,
    invRmsPtr: number,
    weightGradPtr: number,
  ): void;
}
