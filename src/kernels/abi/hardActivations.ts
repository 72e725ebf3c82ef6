// Activations made of relu6(x) = min(max(x, 0), 6), on n float32 elements each, as
// abi/pointwise.ts has it: in place, the same bits everywhere, all in float32.

export interface HardActivationKernels {
  /** y = relu6(x) (Krizhevsky 2010); NaN stays NaN. */
  relu6F32(xPtr: number, yPtr: number, n: number): void;
  /** dx = 0 where y <= 0 or y >= 6, else dy. */
  relu6GradF32(dyPtr: number, yPtr: number, dxPtr: number, n: number): void;
  /** y = relu6(x + 3) / 6. */
  hardSigmoidF32(xPtr: number, yPtr: number, n: number): void;
  /** dx = 0 where y <= 0 or y >= 1, else dy / 6. */
  hardSigmoidGradF32(dyPtr: number, yPtr: number, dxPtr: number, n: number): void;
  /** y = x h, h = relu6(x + 3) / 6 (Howard et al. 2019). */
  hardSwishF32(xPtr: number, yPtr: number, n: number): void;
  /** dx = dy (h + x h'), h' = 0 where h is 0 or 1, else 1 / 6. */
  hardSwishGradF32(dyPtr: number, xPtr: number, dxPtr: number, n: number): void;
}
