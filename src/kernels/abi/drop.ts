// Kernels that drop whole columns or rows of [rows, columns] float32 elements, by scales from
// `dropoutF32`, which are 0 for dropped ones. An output may be the array of the input.

export interface DropKernels {
  /** y = x * scale of its column, in float32; 0 if the scale is 0, even if x is NaN. */
  dropColumnsF32(
    xPtr: number,
    yPtr: number,
    rows: number,
    columns: number,
    scalesPtr: number,
  ): void;
  /** The same with a scale for each row. */
  dropRowsF32(xPtr: number, yPtr: number, rows: number, columns: number, scalesPtr: number): void;
}
