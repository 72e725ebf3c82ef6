// The look for numbers that are not finite.

export interface FiniteKernels {
  /** 1 when all n float32 are finite, else 0. */
  allFiniteF32(xPtr: number, n: number): number;
}
