// Kernels of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016): tiles of 4x4 outputs,
// each from 6x6 inputs, with the points 0, +-sqrt(1/2), +-sqrt(2) and infinity, which cost half the
// error of 0, +-1, +-2 and infinity (Barabasz et al. 2020 say how points decide the error).

/** Transforms work on a rectangle of tiles of one kind: `rowPoints` and `columnPoints` are the
 * places of a tile along each axis, 6 or 4, and (top, left) is the first pixel that it reads or
 * writes. Values outside of the image are zero. nn/conv/winogradPlan.ts computes how much scratch
 * they need.
 *
 * The outputs of a tile are A' [(G g G') . (B' d B)] A, . by element, summed over input channels.
 * With a = sqrt(1/2), b = sqrt(2), and places in the order 0, a, -a, infinity, b, -b:
 *
 *     B' = [1  0 -5/2  0 1 0]   G = [  1     0    0 ]   A' = [1  1   1  0  1   1]
 *          [0 -b  -2   a 1 0]       [-2/3 -2a/3 -1/3]        [0  a  -a  0  b  -b]
 *          [0  b  -2  -a 1 0]       [-2/3  2a/3 -1/3]        [0 1/2 1/2 0  2   2]
 *          [0  1   0 -5/2 0 1]      [  0     0    1 ]        [0 a/2 -a/2 1 2b -2b]
 *          [0 -a -1/2  b 1 0]       [ 1/6   b/6  1/3]
 *          [0  a -1/2 -b 1 0]       [ 1/6  -b/6  1/3]
 *
 * If 1 or 2 outputs remain along an axis, the last tile is one of F(2, 3) along it, with the first
 * four places and so the same G:
 *
 *     B' = [1   0    -2   0]   A' = [1 1  1 0]
 *          [0 -3a/2 -3/2  0]        [0 a -a 1]
 *          [0  3a/2 -3/2  0]
 *          [0  -1/2   0   1]
 *
 * A transformed tile has 36 places (i, j), with i for rows. The values of one place, for all tiles
 * and channels [tiles, channels], are in plane 6 i + j, and planes are `planeBytes` apart. Tiles
 * are in the order tail columns, full, tail rows, corners, so that the tiles with a place are
 * contiguous. Channels are multiples of 8. No pointer that is read may be 0. */
export interface WinogradKernels {
  /** dst = B' d B for the tiles of a region; (top, left) may be negative. */
  winogradInputF32(
    xPtr: number,
    height: number,
    width: number,
    channels: number,
    top: number,
    left: number,
    tileRows: number,
    tileColumns: number,
    rowPoints: number,
    columnPoints: number,
    scratchPtr: number,
    dstPtr: number,
    planeBytes: number,
  ): void;
  /** dst = A dy A' for the tiles of a region. */
  winogradOutputGradF32(
    dyPtr: number,
    height: number,
    width: number,
    channels: number,
    top: number,
    left: number,
    tileRows: number,
    tileColumns: number,
    rowPoints: number,
    columnPoints: number,
    scratchPtr: number,
    dstPtr: number,
    planeBytes: number,
  ): void;
  /** out = A' m A + bias for the tiles of a region, except outside of the image; `biasPtr`: 0 for
   * none. `addendBytes` and `isRelu` are as for convTilesF32; both require a bias. */
  winogradOutputF32(
    srcPtr: number,
    planeBytes: number,
    height: number,
    width: number,
    channels: number,
    top: number,
    left: number,
    tileRows: number,
    tileColumns: number,
    rowPoints: number,
    columnPoints: number,
    scratchPtr: number,
    biasPtr: number,
    outPtr: number,
    addendBytes: number,
    isRelu: number,
  ): void;
  /** dst = G g G' of a weight [3, 3, inChannels, outChannels], or of some of its channels, each
   * plane packed into panels of 8 output channels: [outChannels / 8, inChannels, 8]. `tapBytes`
   * and `rowBytes`: the distances between the 9 taps and between input channels. */
  winogradWeightsF32(
    weightPtr: number,
    tapBytes: number,
    rowBytes: number,
    inChannels: number,
    outChannels: number,
    dstPtr: number,
    planeBytes: number,
  ): void;
  /** Converts the panels of a weight to those of the convolution that computes the input gradient:
   * rotated by 180 degrees, with inputs and outputs exchanged. At point p a rotated kernel has the
   * value of the kernel at 1 / p, times a power of two. */
  winogradTurnPanelsF32(
    panelsPtr: number,
    inChannels: number,
    outChannels: number,
    planeBytes: number,
    dstPtr: number,
  ): void;
  /** grad = G' u G for planes of `length` elements; the 9 taps of grad are `tapBytes` apart. */
  winogradWeightGradF32(
    srcPtr: number,
    planeBytes: number,
    length: number,
    scratchPtr: number,
    gradPtr: number,
    tapBytes: number,
  ): void;
  /** The matrix product [tiles, inChannels] x [inChannels, outChannels] in each plane, with packed
   * panels, for the tiles with its place. `dstBytes`: the distance between tiles of dst, more than
   * outChannels if these are only some of the channels. */
  winogradProductsF32(
    srcPtr: number,
    srcPlaneBytes: number,
    tailColumnTiles: number,
    fullTiles: number,
    tailRowTiles: number,
    cornerTiles: number,
    inChannels: number,
    panelsPtr: number,
    panelsPlaneBytes: number,
    dstPtr: number,
    dstPlaneBytes: number,
    dstBytes: number,
    outChannels: number,
  ): void;
  /** The sum over tiles of src[tile][in] * dy[tile][out] in each plane, [inChannels, outChannels];
   * with `accumulate` it is added to existing values. `srcBytes`: the distance between tiles of
   * src. */
  winogradGradProductsF32(
    srcPtr: number,
    srcPlaneBytes: number,
    tailColumnTiles: number,
    fullTiles: number,
    tailRowTiles: number,
    cornerTiles: number,
    srcBytes: number,
    inChannels: number,
    dyPtr: number,
    dyPlaneBytes: number,
    outChannels: number,
    gradPtr: number,
    gradPlaneBytes: number,
    accumulate: number,
  ): void;
}
