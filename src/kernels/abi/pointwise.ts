// Kernels that treat each of n float32 elements on its own. An output may be the array of an input
// of the same kernel (in place). An element has the same bits at any position; the strict and the
// fast build give the same bits. Gradients are named dx, dy: of the input and of the output.

export interface PointwiseKernels {
  /** y = max(x, 0); NaN stays NaN. */
  reluF32(xPtr: number, yPtr: number, n: number): void;
  /** dx = 0 where y <= 0, else dy. */
  reluGradF32(dyPtr: number, yPtr: number, dxPtr: number, n: number): void;
  /** dst = max(a + b, 0): the end of a residual and the relu that follows. */
  addReluF32(dstPtr: number, aPtr: number, bPtr: number, n: number): void;
  /** y = x where x > 0, else slope * x, in float32. */
  leakyReluF32(xPtr: number, yPtr: number, n: number, slope: number): void;
  /** dx = dy where y > 0, else slope * dy; the sign of y is that of x because slope >= 0. */
  leakyReluGradF32(dyPtr: number, yPtr: number, dxPtr: number, n: number, slope: number): void;
  /** y = x where x > 0, else alpha (exp(x) - 1) (Clevert, Unterthiner, Hochreiter 2015), in
   * float64, rounded once, like all kernels below. */
  eluF32(xPtr: number, yPtr: number, n: number, alpha: number): void;
  /** dx = dy where y > 0, else dy (y + alpha); the sign of y is that of x because alpha >= 0. */
  eluGradF32(dyPtr: number, yPtr: number, dxPtr: number, n: number, alpha: number): void;
  /** y = 1 / (1 + exp(-x)). */
  sigmoidF32(xPtr: number, yPtr: number, n: number): void;
  /** dx = dy y (1 - y). */
  sigmoidGradF32(dyPtr: number, yPtr: number, dxPtr: number, n: number): void;
  /** y = tanh(x). */
  tanhF32(xPtr: number, yPtr: number, n: number): void;
  /** dx = dy (1 - y^2). */
  tanhGradF32(dyPtr: number, yPtr: number, dxPtr: number, n: number): void;
  /** y = x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016). */
  geluF32(xPtr: number, yPtr: number, n: number): void;
  /** dx = dy (Phi(x) + x phi(x)), phi(x) = exp(-x^2 / 2) / sqrt(2 pi). */
  geluGradF32(dyPtr: number, xPtr: number, dxPtr: number, n: number): void;
  /** y = x s(u), s(u) = 1 / (1 + exp(-u)), u = slope (x + cube x^3): silu with slope 1 and cube 0,
   * gelu's tanh form with sqrt(8 / pi) and 0.044715, since (1 + tanh(v)) / 2 = s(2 v). */
  gatedF32(xPtr: number, yPtr: number, n: number, slope: number, cube: number): void;
  /** dx = dy (s + x s (1 - s) du/dx). */
  gatedGradF32(
    dyPtr: number,
    xPtr: number,
    dxPtr: number,
    n: number,
    slope: number,
    cube: number,
  ): void;
  /** y = x * scale if the element is kept, else 0 (even if x is NaN), of [countSamples, elements].
   * Element e of sample s is kept iff word e of `RandomStream.reset(seed, key, step, firstSample +
   * s)` is at least `threshold` (unsigned 32 bits). The same call with dy for x gives dx, so no
   * mask is saved. `seedLow`, `seedHigh`: the lower 32 bits of the seed, and floor(seed / 2^32). */
  dropoutF32(
    xPtr: number,
    yPtr: number,
    countSamples: number,
    elements: number,
    threshold: number,
    scale: number,
    firstSample: number,
    step: number,
    seedLow: number,
    seedHigh: number,
    key: number,
  ): void;
}
