// The passes of a normalization over the elements, with or without the relu that follows it.

import type { KernelExports } from '../kernels/exports.ts';

export interface NormPasses {
  readonly normalize: KernelExports['normalizeF32'];
  readonly gradSums: KernelExports['normGradSumsF32'];
  readonly inputGrad: KernelExports['normReluInputGradF32'];
}

export function bindPasses(kernels: KernelExports, isRelu = false): NormPasses {
  if (isRelu) {
    return {
      normalize: kernels.normalizeReluF32,
      gradSums: kernels.normReluGradSumsF32,
      inputGrad: kernels.normReluInputGradF32,
    };
  }
  return {
    normalize: kernels.normalizeF32,
    gradSums: kernels.normGradSumsF32,
    inputGrad: (xPtr, dyPtr, dxPtr, rows, channels, _coefficientsPtr, gradCoefficientsPtr) =>
      kernels.normInputGradF32(xPtr, dyPtr, dxPtr, rows, channels, gradCoefficientsPtr),
  };
}
