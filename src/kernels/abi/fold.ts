// Kernels of the folds along the replica tree, and the small sums that gradients need.

export interface FoldKernels {
  /** dst = a + b, float32, elementwise; dst may be a or b. */
  addF32(dstPtr: number, aPtr: number, bPtr: number, length: number): void;
  /** dst = a + b, float64, elementwise; dst may be a or b. */
  addF64(dstPtr: number, aPtr: number, bPtr: number, length: number): void;
  /** float64 to float32, rounded to nearest. */
  narrowF64(dstPtr: number, srcPtr: number, length: number): void;
  /** sums[c] = sum over rows of dy[row][c], in float64: the gradient of a bias. */
  columnSumsF32(dyPtr: number, rows: number, channels: number, sumsPtr: number): void;
  /** dst = src, float32; the arrays may overlap. */
  copyF32(dstPtr: number, srcPtr: number, length: number): void;
  /** Fills with zeros. */
  zeroBytes(ptr: number, countBytes: number): void;
}
