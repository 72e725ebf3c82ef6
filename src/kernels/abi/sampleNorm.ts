// Kernels of normalizations over single samples. Vectors and coefficients are those of norm.ts.

export interface SampleNormKernels {
  /** Coefficients from one sample's moments per channel, merged over the adjacent channels of each
   * group. */
  groupNormCoefficients(
    vectorPtr: number,
    channels: number,
    groups: number,
    eps: number,
    weightPtr: number,
    biasPtr: number,
    coefficientsPtr: number,
  ): void;
  /** Gradient coefficients if each group of channels was normalized over countRows rows. */
  groupNormGradCoefficients(
    sumsPtr: number,
    countRows: number,
    channels: number,
    groups: number,
    weightPtr: number,
    coefficientsPtr: number,
    outPtr: number,
  ): void;
  /** Layer normalization of one sample with weight and bias per element; also writes mean and
   * invStd. */
  layerNormF32(
    xPtr: number,
    yPtr: number,
    length: number,
    eps: number,
    weightPtr: number,
    biasPtr: number,
    statisticsPtr: number,
  ): void;
  /** Its gradient; adds to the float64 gradients of weight and bias unless their pointers are 0. */
  layerNormGradF32(
    xPtr: number,
    dyPtr: number,
    dxPtr: number,
    length: number,
    weightPtr: number,
    statisticsPtr: number,
    weightGradPtr: number,
    biasGradPtr: number,
  ): void;
}
