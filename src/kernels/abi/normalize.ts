// The passes of normalization over the elements of [rows, channels] float32, in float32: four
// roundings for y (three if multiply-add is fused), five for dx. Coefficients: abi/norm.ts.

export interface NormalizeKernels {
  /** y = (x - mean) scale + shift, as (x - m) scale + base. */
  normalizeF32(
    xPtr: number,
    yPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
  ): void;
  /** max(y, 0) of the same y; NaN stays. */
  normalizeReluF32(
    xPtr: number,
    yPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
  ): void;
  /** The same y, rounded, plus the tensor at `otherPtr`. */
  normalizeAddF32(
    xPtr: number,
    otherPtr: number,
    yPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
  ): void;
  /** max(y + other, 0). */
  normalizeAddReluF32(
    xPtr: number,
    otherPtr: number,
    yPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
  ): void;
  /** dx = a (dy - c) + (d - k (x - m)); in float64, rounded once, if the gradient coefficients are
   * wide. */
  normInputGradF32(
    xPtr: number,
    dyPtr: number,
    dxPtr: number,
    rows: number,
    channels: number,
    gradCoefficientsPtr: number,
  ): void;
  /** The same after a relu's gradient: dy counts as 0 for elements with y, recomputed from x, not
   * above 0. */
  normReluInputGradF32(
    xPtr: number,
    dyPtr: number,
    dxPtr: number,
    rows: number,
    channels: number,
    coefficientsPtr: number,
    gradCoefficientsPtr: number,
  ): void;
}
