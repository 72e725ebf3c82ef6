// Images [N, H, W, C] float32 at another size [N, OH, OW, C], channels last. Sums are formed in
// float64 and rounded once. The strict and the fast build give the same bits. Each gradient is the
// exact adjoint of its forward pass.

export interface UpsampleKernels {
  /** Output (oy, ox) is input (floor(oy H / OH), floor(ox W / OW)). */
  upsampleNearestF32(
    xPtr: number,
    yPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
  ): void;
  /** dx = the sum of the dy that are copies of it. */
  upsampleNearestGradF32(
    dyPtr: number,
    dxPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
  ): void;
  /** Output o of an axis is at s = (o + 1/2) size / outSize - 1/2 of the input, or with
   * alignCorners at s = o (size - 1) / (outSize - 1), 0 if outSize is 1; s is clamped to the
   * input. It is (1 - t) x[floor(s)] + t x[floor(s) + 1], t = s - floor(s), along both axes. */
  upsampleBilinearF32(
    xPtr: number,
    yPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    alignCorners: number,
  ): void;
  /** dx = the sum of dy over the outputs that x contributes to, times its weights. */
  upsampleBilinearGradF32(
    dyPtr: number,
    dxPtr: number,
    countSamples: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    alignCorners: number,
  ): void;
}
