// Depthwise convolution kernels: every channel has a kernel of its own. They go through a sample
// sixteen channels at a time, by way of a plane: [rows, columns, 16], zero where the sample has a
// border or, spread by the stride of a gradient, gaps. A plane is zero at first, and every call
// writes the same pixels of it: pixel (i, j) of the source goes to insidePtr + i * spreadRowBytes +
// j * spreadPixelBytes. Steps are through the plane.

export interface DepthwiseKernels {
  /** Depthwise convolution: out[pixel][c] = bias[c] + sum over taps of plane[pixel + tap][c] *
   * weight[tap][c]. Weights [channels / 16, taps, 16]; those beyond the last channel don't
   * matter. */
  depthwiseF32(
    xPtr: number,
    xRowBytes: number,
    height: number,
    width: number,
    channels: number,
    planePtr: number,
    insidePtr: number,
    spreadRowBytes: number,
    spreadPixelBytes: number,
    rowStepBytes: number,
    pixelStepBytes: number,
    tapsY: number,
    tapStepYBytes: number,
    tapsX: number,
    tapStepXBytes: number,
    weightPtr: number,
    biasPtr: number,
    outPtr: number,
    outHeight: number,
    outWidth: number,
  ): void;
  /** grad[tap][c] = sum over pixels of plane[pixel + tap][c] * dy[pixel][c], or added to what is
   * there. At `sumsPtr` is room for 9 times 16 floats. */
  depthwiseWeightGradF32(
    xPtr: number,
    xRowBytes: number,
    height: number,
    width: number,
    channels: number,
    planePtr: number,
    insidePtr: number,
    spreadRowBytes: number,
    spreadPixelBytes: number,
    rowStepBytes: number,
    pixelStepBytes: number,
    tapsY: number,
    tapStepYBytes: number,
    tapsX: number,
    tapStepXBytes: number,
    sumsPtr: number,
    dyPtr: number,
    outHeight: number,
    outWidth: number,
    gradPtr: number,
    accumulate: number,
  ): void;
}
