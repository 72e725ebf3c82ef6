// The binary interface of assembly/images.ts: one sample from the dataset to an activation.

/** Kernels that load one image [height, width, channels], normalize and move it. Output pixel (y,
 * x) is input pixel (y + dy, (flip ? width - 1 - x : x) + dx); outside of the image, all channels
 * become 0. Source and destination must not overlap. */
export interface ImageKernels {
  /** Loads bytes through a table of float32: out = table[value * channels + c]. `flip` is 0 or
   * 1. */
  loadImageU8(
    srcPtr: number,
    dstPtr: number,
    height: number,
    width: number,
    channels: number,
    tablePtr: number,
    dy: number,
    dx: number,
    flip: number,
  ): void;
  /** Loads float32: out = (x - mean[c]) * invStd[c], two float32 roundings. `flip` is 0 or 1. */
  loadImageF32(
    srcPtr: number,
    dstPtr: number,
    height: number,
    width: number,
    channels: number,
    meanPtr: number,
    invStdPtr: number,
    dy: number,
    dx: number,
    flip: number,
  ): void;
}
