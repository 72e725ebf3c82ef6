// Activations made of a ramp, r(x) = scale min(max(x + shift, 0), top), on n float32 elements each.
// As in abi/pointwise.ts, they may work in place and give the same bits everywhere, all in float32.
// relu6 (Krizhevsky 2010) has shift 0, top 6, scale 1; hardSigmoid and hardSwish (Howard et al.
// 2019) have 3, 6 and 1 / 6. `end` is scale * top, the maximum of r.

export interface RampKernels {
  /** y = r(x); NaN stays NaN. */
  rampF32(xPtr: number, yPtr: number, n: number, shift: number, top: number, scale: number): void;
  /** dx = 0 where y <= 0 or y >= end, else scale dy. */
  rampGradF32(
    dyPtr: number,
    yPtr: number,
    dxPtr: number,
    n: number,
    end: number,
    scale: number,
  ): void;
  /** y = x r(x). */
  rampGatedF32(
    xPtr: number,
    yPtr: number,
    n: number,
    shift: number,
    top: number,
    scale: number,
  ): void;
  /** dx = dy (r + x r'), r' = 0 where r <= 0 or r >= end, else scale. */
  rampGatedGradF32(
    dyPtr: number,
    xPtr: number,
    dxPtr: number,
    n: number,
    shift: number,
    top: number,
    scale: number,
    end: number,
  ): void;
}
