// Depthwise convolution kernels: every channel has its own kernel. They process sixteen channels of
// a sample at a time, in a plane: [rows, columns, 16], with zeros for the border and, in gradients,
// for the gaps of the stride. A plane is initially zero, and every call writes the same pixels of
// it: pixel (i, j) of the source goes to insidePtr + i * spreadRowBytes + j * spreadPixelBytes.
// Steps are through the plane.

export interface DepthwiseKernels {
  /** Depthwise convolution: out[pixel][c] = bias[c] + sum over taps of plane[pixel + tap][c] *
   * weight[tap][c]. Weights [channels / 16, taps, 16]; those beyond the last channel do not
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
  /** grad[tap][c] = sum over pixels of plane[pixel + tap][c] * dy[pixel][c], or added to existing
   * values. `sumsPtr` has space for 9 * 16 floats. */
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
