// The passes of a normalization over the elements, with or without the relu that follows it, or the
// add of another tensor and the relu after that.

import { FLOAT_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { NormAddend, NormSetup } from './setup.ts';

export interface NormPasses {
  readonly normalize: KernelExports['normalizeF32'];
  readonly gradSums: KernelExports['normGradSumsF32'];
  readonly inputGrad: KernelExports['normReluInputGradF32'];
}

export function bindPasses({
  kernels,
  yPtr,
  isRelu,
  addend,
}: Pick<NormSetup, 'kernels' | 'yPtr' | 'isRelu' | 'addend'>): NormPasses {
  if (isRelu === true) {
    return {
      normalize: kernels.normalizeReluF32,
      gradSums: kernels.normReluGradSumsF32,
      inputGrad: kernels.normReluInputGradF32,
    };
  }
  return {
    normalize: addend === undefined ? kernels.normalizeF32 : bindAdd(kernels, yPtr, addend),
    gradSums: kernels.normGradSumsF32,
    inputGrad: (xPtr, dyPtr, dxPtr, rows, channels, _coefficientsPtr, gradCoefficientsPtr) =>
      kernels.normInputGradF32(xPtr, dyPtr, dxPtr, rows, channels, gradCoefficientsPtr),
  };
}

/** Adds the rows of `addend` to those of y that are written. */
function bindAdd(
  kernels: KernelExports,
  firstPtr: number,
  addend: NormAddend,
): NormPasses['normalize'] {
  const normalize = addend.isRelu ? kernels.normalizeAddReluF32 : kernels.normalizeAddF32;
  const at = addend.ptr - firstPtr;
  return (xPtr, yPtr, rows, channels, coefficientsPtr) =>
    normalize(xPtr, yPtr + at, yPtr, rows, channels, coefficientsPtr);
}

/** Returns a function that recomputes a sample of the output at another address, with the
 * coefficients that it was written with. */
export function bindDerive(
  { kernels, xPtr, isRelu, addend }: NormSetup,
  rows: number,
  channels: number,
): (sample: number, toPtr: number, coefficientsPtr: number) => void {
  const sampleBytes = rows * channels * FLOAT_BYTES;
  if (addend === undefined) {
    const normalize = isRelu === true ? kernels.normalizeReluF32 : kernels.normalizeF32;
    return (sample, toPtr, coefficientsPtr) =>
      normalize(xPtr + sample * sampleBytes, toPtr, rows, channels, coefficientsPtr);
  }
  const normalize = addend.isRelu ? kernels.normalizeAddReluF32 : kernels.normalizeAddF32;
  return (sample, toPtr, coefficientsPtr) => {
    const at = sample * sampleBytes;
    addend.derive?.(sample, toPtr);
    const otherPtr = addend.derive === undefined ? addend.ptr + at : toPtr;
    normalize(xPtr + at, otherPtr, toPtr, rows, channels, coefficientsPtr);
  };
}
