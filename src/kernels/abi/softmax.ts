// The softmax of each row of [rows, columns] float32 elements, in float64, rounded once. An output
// may be the array of an input (in place). All builds give the same bits.

export interface SoftmaxKernels {
  /** y = exp(x - m) / s, where m is the maximum of the row and s the sum of its exp(x - m), in
   * order. A row becomes NaN if it has a NaN or +infinity, or only -infinity. `scratchPtr`: space
   * for as many float64 as there are columns, rounded up to a multiple of 4. */
  softmaxF32(xPtr: number, yPtr: number, rows: number, columns: number, scratchPtr: number): void;
  /** dx = y (dy - sum of the row's y dy). */
  softmaxGradF32(dyPtr: number, yPtr: number, dxPtr: number, rows: number, columns: number): void;
}
