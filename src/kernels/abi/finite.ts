// Checks for numbers that are not finite.

export interface FiniteKernels {
  /** 1 if all n float32 values are finite, else 0. */
  allFiniteF32(xPtr: number, n: number): number;
}
