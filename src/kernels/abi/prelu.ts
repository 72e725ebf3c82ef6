// The parametric ReLU (He et al. 2015) of [rows, channels] float32 elements with a slope for each
// channel. An output may be the array of an input (in place). All builds give the same bits.

export interface PreluKernels {
  /** y = x where x > 0, else slope * x, in float32. */
  preluF32(xPtr: number, yPtr: number, rows: number, channels: number, slopesPtr: number): void;
  /** dx = dy where x > 0, else slope * dy. */
  preluGradF32(
    dyPtr: number,
    xPtr: number,
    dxPtr: number,
    rows: number,
    channels: number,
    slopesPtr: number,
  ): void;
  /** The gradient of the slopes, the float64 sum over the rows of x dy for x not above 0; zeros if
   * there are no rows. Rows are added in order. */
  preluSlopeSumsF32(
    dyPtr: number,
    xPtr: number,
    rows: number,
    channels: number,
    sumsPtr: number,
  ): void;
}
