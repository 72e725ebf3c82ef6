// Convolution kernels. They work on one sample that is already padded, so that no tap is outside,
// and only know byte steps: an output pixel (oy, ox) starts at xPtr + oy * rowStepBytes + ox *
// pixelStepBytes, its tap (ty, tx) starts tapStepYBytes * ty + tapStepXBytes * tx further and is
// `segmentLength` adjacent floats. With dilation 1 the taps of a kernel row are adjacent and are
// passed as one segment.

export interface ConvKernels {
  /** out[pixel][c] = bias[c] + sum over taps and segment of x * panel, for outChannels channels.
   * `panelsPtr`: weights from packPanelsF32 or packTransposedPanelsF32; `biasPtr`: 0 for none.
   * Without taps (tapsY or tapsX 0) the output is the bias. No pointer into the input may be 0.
   * `addendBytes`: the distance from an output to a number that is added to it last, 0 for none;
   * `isRelu`: 1 to store max(out, 0). Addends are read in whole vectors. */
  convTilesF32(
    xPtr: number,
    rowStepBytes: number,
    pixelStepBytes: number,
    tapsY: number,
    tapStepYBytes: number,
    tapsX: number,
    tapStepXBytes: number,
    segmentLength: number,
    panelsPtr: number,
    biasPtr: number,
    outPtr: number,
    outRowBytes: number,
    outPixelBytes: number,
    outHeight: number,
    outWidth: number,
    outChannels: number,
    addendBytes: number,
    isRelu: number,
  ): void;
  /** The same if only some of a kernel's taps are inside. The position in a panel moves by
   * panelStepXBytes between taps and by panelStepYBytes between rows of taps. `panelBytes`: the
   * distance between panels. */
  convSomeTapsF32(
    xPtr: number,
    rowStepBytes: number,
    pixelStepBytes: number,
    tapsY: number,
    tapStepYBytes: number,
    tapsX: number,
    tapStepXBytes: number,
    segmentLength: number,
    panelsPtr: number,
    panelBytes: number,
    panelStepYBytes: number,
    panelStepXBytes: number,
    biasPtr: number,
    outPtr: number,
    outRowBytes: number,
    outPixelBytes: number,
    outHeight: number,
    outWidth: number,
    outChannels: number,
  ): void;
  /** grad[k][c] = sum over pixels of x[pixel + tap k] * dy[pixel][c], with k running over (tapY,
   * tapX, segment); with `accumulate` it is added to existing values. The sum is formed over bands
   * of pixels, which are added in order; bands only depend on the output size and dyPixelBytes.
   * `scratchPtr`: 0, or space for packed strips, which are faster if pixels are far apart and give
   * the same bits: 224 * (16 + min(256, rows of grad)) floats. Scratch requires at least one
   * pixel, for at least 128 dyPixelBytes, and for a segmentLength and outChannels that are
   * multiples of 16. */
  convWeightGradTilesF32(
    xPtr: number,
    rowStepBytes: number,
    pixelStepBytes: number,
    tapsY: number,
    tapStepYBytes: number,
    tapsX: number,
    tapStepXBytes: number,
    segmentLength: number,
    dyPtr: number,
    dyRowBytes: number,
    dyPixelBytes: number,
    outHeight: number,
    outWidth: number,
    outChannels: number,
    gradPtr: number,
    gradRowBytes: number,
    accumulate: number,
    scratchPtr: number,
  ): void;
  /** grad[k][c], for 0 <= k < inChannels: the gradients of `leaves` grains of `samples` samples
   * each, which are stored contiguously, folded as a perfect tree. A sample adds the sum over a
   * rectangle of its pixels of x[pixel][k] * dy[pixel][c], as convWeightGradTilesF32 does if the
   * pixels form one band. `leaves`: a power of two; inChannels: a multiple of 4; outChannels: of
   * 8. `scratchPtr`: 64 * (2 + log2(leaves)) floats. */
  foldedWeightGradF32(
    xPtr: number,
    xSampleBytes: number,
    xRowBytes: number,
    xPixelBytes: number,
    dyPtr: number,
    dySampleBytes: number,
    dyRowBytes: number,
    dyPixelBytes: number,
    rows: number,
    columns: number,
    samples: number,
    leaves: number,
    inChannels: number,
    outChannels: number,
    gradPtr: number,
    gradRowBytes: number,
    scratchPtr: number,
  ): void;
  /** Packs a [rows, columns] matrix into panels of 8 columns: dst[panel][row][8], zero-filled. */
  packPanelsF32(
    srcPtr: number,
    srcRowBytes: number,
    rows: number,
    columns: number,
    dstPtr: number,
  ): void;
  /** Packs the transpose of a [columns, rows] matrix in the same way. Panels are `panelBytes`
   * apart, so that several matrices can be stacked in one panel. */
  packTransposedPanelsF32(
    srcPtr: number,
    srcRowBytes: number,
    rows: number,
    columns: number,
    dstPtr: number,
    panelBytes: number,
  ): void;
  /** Copies `rows` rows of `length` floats; used to copy a sample into its zero border. */
  copyRowsF32(
    srcPtr: number,
    srcRowBytes: number,
    dstPtr: number,
    dstRowBytes: number,
    rows: number,
    length: number,
  ): void;
}
