// Kernels of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016): tiles of 4x4 outputs,
// each from 6x6 inputs, with the points 0, +-sqrt(1/2), +-sqrt(2) and infinity, which cost half the
// error of 0, +-1, +-2 and infinity (Barabasz et al. 2020 say how points decide the error).

/** What the transforms work on is a rectangle of tiles of one kind: `rowPoints` and `columnPoints`
 * are the places of a tile along each axis, 6 or 4, and (top, left) is the first pixel that
 * it reads or writes. Outside of the image is zero. How much scratch they need is in
 * nn/conv/winogradPlan.ts.
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
 * Where an axis leaves 1 or 2 outputs, the last tile is one of F(2, 3) along it, with the first
 * four places and so the same G:
 *
 *     B' = [1   0    -2   0]   A' = [1 1  1 0]
 *          [0 -3a/2 -3/2  0]        [0 a -a 1]
 *          [0  3a/2 -3/2  0]
 *          [0  -1/2   0   1]
 *
 * A transformed tile has 36 places (i, j), i of the rows. The values of one place, of all tiles and
 * channels [tiles, channels], lie together in plane 6 i + j, and planes are `planeBytes` apart.
 * Tiles are in the order tail columns, full, tail rows, corners, so that those that have a place
 * lie together. Channels are multiples of 8. No pointer that is read may be 0. */
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
  /** out = A' m A + bias for the tiles of a region, without what lies outside of the image;
   * `biasPtr`: 0 for none. `addendBytes` and `isRelu`: as of convTilesF32; with either there must
   * be a bias. */
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
   * plane packed into panels of 8 output channels: [outChannels / 8, inChannels, 8]. `tapBytes` and
   * `rowBytes`: from one of the 9 taps, and from one input channel, to the next. */
  winogradWeightsF32(
    weightPtr: number,
    tapBytes: number,
    rowBytes: number,
    inChannels: number,
    outChannels: number,
    dstPtr: number,
    planeBytes: number,
  ): void;
  /** From the panels of a weight to those of the convolution that is its input gradient: turned
   * by half a turn, inputs and outputs exchanged. A turned kernel has at point p what the
   * kernel has at 1 / p, times a power of two. */
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
  /** In each plane the matrix product [tiles, inChannels] x [inChannels, outChannels] by packed
   * panels, for the tiles that have its place; `dstBytes`: from one tile of dst to the next, more
   * than outChannels where these are some of many. */
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
  /** In each plane the sum over tiles of src[tile][in] * dy[tile][out], [inChannels, outChannels];
   * with `accumulate` added to what is there. `srcBytes`: from one tile of src to the next. */
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
