// Filter response normalization with its thresholded linear unit (Singh and Krishnan 2020), bound
// to addresses. Looks at one sample and channel alone and subtracts no mean.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { leafGradients, sumReplicas } from './replicas.ts';
import type { BoundSampleNorm } from './sampleNorm.ts';
import type { NormGradient, NormSetup } from './setup.ts';

export interface FilterResponseNormSetup extends NormSetup {
  readonly channels: number;
  readonly rowsPerSample: number;
  /** 0 without a thresholded linear unit. */
  readonly thresholdPtr: number;
  readonly thresholdGrad: NormGradient | undefined;
  /** 4 C float64 for each sample, kept from forward to backward. */
  readonly coefficientsPtr: number;
  /** 3 C float64. */
  readonly sumsPtr: number;
}

export function bindFilterResponseNorm(setup: FilterResponseNormSetup): BoundSampleNorm {
  const { kernels, shards, channels, rowsPerSample, eps, sumsPtr } = setup;
  const { weightPtr, biasPtr, thresholdPtr } = setup;
  const sampleBytes = rowsPerSample * channels * FLOAT_BYTES;
  const setBytes = 4 * channels * DOUBLE_BYTES;
  // In the order of the kernel's sums.
  const gradients = [setup.weightGrad, setup.biasGrad, setup.thresholdGrad];
  const leafPtrs = gradients.map((gradient) => gradient?.leafPtr ?? 0);
  const leaves = leafGradients(channels, gradients);

  const backwardSample = (sample: number): void => {
    const x = setup.xPtr + sample * sampleBytes;
    const dz = setup.dyPtr + sample * sampleBytes;
    const coefficients = setup.coefficientsPtr + sample * setBytes;
    kernels.filterResponseGradSums(x, dz, rowsPerSample, channels, coefficients, sumsPtr);
    for (let i = 0; i < leafPtrs.length; i++) {
      const leafPtr = leafPtrs[i]!;
      if (leafPtr === 0) continue;
      kernels.addF64(leafPtr, leafPtr, sumsPtr + i * channels * DOUBLE_BYTES, channels);
    }
    if (setup.dxPtr === 0) return;
    const dx = setup.dxPtr + sample * sampleBytes;
    kernels.filterResponseInputGradF32(x, dz, dx, rowsPerSample, channels, coefficients, sumsPtr);
  };

  return {
    forward() {
      const samples = shards.replicaStart[setup.countLocalReplicas]!;
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
    backward: () => sumReplicas(setup, leaves, backwardSample),
  };
}
