// What drops whole columns or rows of [rows, columns] float32 elements, by scales that
// `dropoutF32` has drawn: those of what is dropped are 0. An output may be the array of the input.

export interface DropKernels {
  /** y = x * scale of its column, in float32; 0 where that is 0, also where x is NaN. */
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
