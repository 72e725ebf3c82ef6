// Filter response normalization with its thresholded linear unit (Singh and Krishnan 2020), bound
// to addresses. It normalizes each sample and channel alone and subtracts no mean.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';
import { leafGradients, sumGrains } from './sampleGradients.ts';
import type { BoundSampleNorm } from './sampleNorm.ts';
import type { NormSetup } from './setup.ts';

export interface FilterResponseNormSetup extends NormSetup {
  readonly channels: number;
  readonly rowsPerSample: number;
  /** 0 without a thresholded linear unit. */
  readonly thresholdPtr: number;
  readonly thresholdGrad: GradientSink | undefined;
  /** 4 C float64 for each sample, kept from forward to backward. */
  readonly coefficientsPtr: number;
  /** 3 C float64. */
  readonly sumsPtr: number;
}

export function bindFilterResponseNorm(setup: FilterResponseNormSetup): BoundSampleNorm {
  const { kernels, step, channels, rowsPerSample, eps, sumsPtr } = setup;
  const { weightPtr, biasPtr, thresholdPtr } = setup;
  const sampleBytes = rowsPerSample * channels * FLOAT_BYTES;
  const setBytes = 4 * channels * DOUBLE_BYTES;
  // In the order of the kernel's sums.
  const gradients = [setup.weightGrad, setup.biasGrad, setup.thresholdGrad];
  const leaves = leafGradients(channels, gradients);

  const backwardSample = (sample: number, grain: number): void => {
    const x = setup.xPtr + sample * sampleBytes;
    const dz = setup.dyPtr + sample * sampleBytes;
    const coefficients = setup.coefficientsPtr + sample * setBytes;
    kernels.filterResponseGradSums(x, dz, rowsPerSample, channels, coefficients, sumsPtr);
    for (let i = 0; i < gradients.length; i++) {
      const leafPtr = gradients[i]?.leafPtr(grain);
      if (leafPtr === undefined) continue;
      kernels.addF64(leafPtr, leafPtr, sumsPtr + i * channels * DOUBLE_BYTES, channels);
    }
    if (setup.dxPtr === 0) return;
    const dx = setup.dxPtr + sample * sampleBytes;
    kernels.filterResponseInputGradF32(x, dz, dx, rowsPerSample, channels, coefficients, sumsPtr);
  };

  return {
    forward() {
      const samples = step.grainStart[setup.countGrains]!;
      for (let sample = 0; sample < samples; sample++) {
        const x = setup.xPtr + sample * sampleBytes;
        const coefficients = setup.coefficientsPtr + sample * setBytes;
        kernels.filterResponseCoefficients(
          x,
          rowsPerSample,
          channels,
          eps,
          weightPtr,
          biasPtr,
          thresholdPtr,
          coefficients,
        );
        const z = setup.yPtr + sample * sampleBytes;
        kernels.filterResponseF32(x, z, rowsPerSample, channels, coefficients);
      }
    },
    backward: () => sumGrains(setup, leaves, backwardSample),
  };
}
