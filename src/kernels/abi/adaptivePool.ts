// Pooling of [N, H, W, C] float32 to a given size [N, OH, OW, C], channels last. Along an axis,
// output o covers the inputs from floor(o size / outSize) up to but not including ceil((o + 1) size
// / outSize). These are PyTorch's bins, which overlap if the sizes do not divide. The strict and
// the fast build give the same bits.

export interface AdaptivePoolKernels {
  /** The maximum of each bin and its position, as in maxPool2dF32; both have the same gradient
   * kernel. */
  adaptiveMaxPool2dF32(
    xPtr: number,
    yPtr: number,
    indexPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
  ): void;
  /** The mean of each bin, in float64, rounded once. */
  adaptiveAvgPool2dF32(
    xPtr: number,
    yPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
  ): void;
  /** dx = the sum of dy / area over the bins that contain the position, in float64, rounded
   * once. */
  adaptiveAvgPool2dGradF32(
    dyPtr: number,
    dxPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
  ): void;
}
