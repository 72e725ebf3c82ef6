// Depthwise convolution kernels: every channel has a kernel of its own. Weight [taps, C]. They work
// on one padded sample and know only byte steps, as the kernels of conv.ts do.

export interface DepthwiseKernels {
  /** Depthwise convolution: out[pixel][c] = bias[c] + sum over taps of x[pixel + tap][c] *
   * weight[tap][c]. */
  depthwiseF32(
    xPtr: number,
    rowStepBytes: number,
    pixelStepBytes: number,
    tapsY: number,
    tapStepYBytes: number,
    tapsX: number,
    tapStepXBytes: number,
    channels: number,
    weightPtr: number,
    biasPtr: number,
    outPtr: number,
    outHeight: number,
    outWidth: number,
  ): void;
  /** Adds dy[pixel][c] * weight[tap][c] to dx[pixel + tap][c]; dx is padded and zeroed before. */
  depthwiseInputGradF32(
    dxPtr: number,
    rowStepBytes: number,
    pixelStepBytes: number,
    tapsY: number,
    tapStepYBytes: number,
    tapsX: number,
    tapStepXBytes: number,
    channels: number,
    weightPtr: number,
    dyPtr: number,
    outHeight: number,
    outWidth: number,
  ): void;
  /** grad[tap][c] = sum over pixels of x[pixel + tap][c] * dy[pixel][c], or added to what is
   * there. */
  depthwiseWeightGradF32(
    xPtr: number,
    rowStepBytes: number,
    pixelStepBytes: number,
    tapsY: number,
    tapStepYBytes: number,
    tapsX: number,
    tapStepXBytes: number,
    channels: number,
    dyPtr: number,
    outHeight: number,
    outWidth: number,
    gradPtr: number,
    accumulate: number,
  ): void;
}
