// Kernels of Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray 2016), for one sample: tiles
// of 2x2 outputs, each from 4x4 inputs. A transformed tile has 16 places; the values of one place,
// of all tiles and channels [tiles, channels], lie together in a plane, and planes are
// `planeBytes` apart. Channels are multiples of 4, outputs of the products of 8. With
//   B' = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]
//   G  = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]
//   A' = [1 1 1 0; 0 1 -1 -1]
// the outputs of a tile are A' [(G g G') . (B' d B)] A, . by element, summed over input channels.

export interface WinogradKernels {
  /** dst = B' d B for every tile; tile (ty, tx) reads 4x4 pixels from pixel (2 ty, 2 tx) on. */
  winogradInputF32(
    xPtr: number,
    rowBytes: number,
    tileRows: number,
    tileColumns: number,
    channels: number,
    dstPtr: number,
    planeBytes: number,
  ): void;
  /** dst = A dy A' for every tile of 2x2 pixels. */
  winogradOutputGradF32(
    dyPtr: number,
    rowBytes: number,
    tileRows: number,
    tileColumns: number,
    channels: number,
    dstPtr: number,
    planeBytes: number,
  ): void;
  /** out = A' m A + bias, [outHeight, outWidth, channels] without what a last tile has too much;
   * `biasPtr`: 0 for none. */
  winogradOutputF32(
    srcPtr: number,
    planeBytes: number,
    tileRows: number,
    tileColumns: number,
    channels: number,
    biasPtr: number,
    outPtr: number,
    outHeight: number,
    outWidth: number,
  ): void;
  /** dst = G g G' of a weight [3, 3, inChannels, outChannels], each plane packed into panels of 8
   * output channels: [outChannels / 8, inChannels, 8]. */
  winogradWeightsF32(
    weightPtr: number,
    inChannels: number,
    outChannels: number,
    dstPtr: number,
    planeBytes: number,
  ): void;
  /** grad = G' u G for planes of `length` elements; grad is [3, 3, length]. */
  winogradWeightGradF32(srcPtr: number, planeBytes: number, length: number, gradPtr: number): void;
  /** In each plane the matrix product [tiles, inChannels] x [inChannels, outChannels] by packed
   * panels; at least 4 tiles. No pointer into src may be 0. */
  winogradProductsF32(
    srcPtr: number,
    srcPlaneBytes: number,
    tiles: number,
    inChannels: number,
    panelsPtr: number,
    panelsPlaneBytes: number,
    dstPtr: number,
    dstPlaneBytes: number,
    outChannels: number,
  ): void;
  /** In each plane the sum over tiles of src[tile][in] * dy[tile][out], [inChannels, outChannels];
   * with `accumulate` added to what is there. */
  winogradGradProductsF32(
    srcPtr: number,
    srcPlaneBytes: number,
    tiles: number,
    inChannels: number,
    dyPtr: number,
    dyPlaneBytes: number,
    outChannels: number,
    gradPtr: number,
    gradPlaneBytes: number,
    accumulate: number,
  ): void;
}
