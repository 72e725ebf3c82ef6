// Pooling over [N, H, W, C] float32, channels last; output [N, OH, OW, C]. Window (oy, ox) begins
// at input row oy * strideHeight - paddingHeight and column ox * strideWidth - paddingWidth; its
// positions outside the input do not exist for the maximum and are 0 for the average. Padding is
// less than the kernel, so each window meets the input; the padding after the input follows from
// the output size. The strict and the fast build give the same bits.

export interface PoolKernels {
  /** The maximum of each window and its position, row * W + column, int32 [N, OH, OW, C]. Among
   * equal values the first in row-major order counts; NaN wins over numbers (as in PyTorch). */
  maxPool2dF32(
    xPtr: number,
    yPtr: number,
    indexPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
    paddingHeight: number,
    paddingWidth: number,
  ): void;
  /** dx = the sum of dy over the outputs with their maximum there, in float32, in row-major order
   * of outputs. inPixels = H * W, outPixels = OH * OW. */
  maxPool2dGradF32(
    dyPtr: number,
    indexPtr: number,
    dxPtr: number,
    countSamples: number,
    inPixels: number,
    outPixels: number,
    channels: number,
  ): void;
  /** The mean of each window, in float64, rounded once. The divisor is the kernel's area, or the
   * number of positions inside the input if countIncludePad is 0. */
  avgPool2dF32(
    xPtr: number,
    yPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
    paddingHeight: number,
    paddingWidth: number,
    countIncludePad: number,
  ): void;
  /** dx = the sum of dy / divisor over the windows that reach the position, in float64, rounded
   * once. */
  avgPool2dGradF32(
    dyPtr: number,
    dxPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
    paddingHeight: number,
    paddingWidth: number,
    countIncludePad: number,
  ): void;
  /** The mean over all pixels, [N, pixels, C] to [N, C], in float64, rounded once. */
  globalAvgPoolF32(
    xPtr: number,
    yPtr: number,
    countSamples: number,
    pixels: number,
    channels: number,
  ): void;
  /** dx = dy / pixels, the same for all pixels. */
  globalAvgPoolGradF32(
    dyPtr: number,
    dxPtr: number,
    countSamples: number,
    pixels: number,
    channels: number,
  ): void;
}
