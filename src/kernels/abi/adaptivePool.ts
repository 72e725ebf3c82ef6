// Pooling of [N, H, W, C] float32 to a given size [N, OH, OW, C], channels last. Output o of an
// axis has the inputs from floor(o size / outSize) to before ceil((o + 1) size / outSize). Those
// are PyTorch's bins, which overlap where the sizes do not divide. The strict and the fast build
// give the same bits.

export interface AdaptivePoolKernels {
  /** The maximum of each bin, and where it was, as in maxPool2dF32, whose gradient serves both. */
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
  /** dx = the sum of dy / area over the bins that have the position, in float64, rounded once. */
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
