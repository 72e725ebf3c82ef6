// Root mean square normalization (Zhang and Sennrich 2019) over rows of the last axes, bound to
// addresses. It normalizes each sample alone and has a weight per element but no bias.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { leafGradients, sumGrains } from './sampleGradients.ts';
import type { BoundSampleNorm } from './sampleNorm.ts';
import type { NormSetup } from './setup.ts';

export interface RmsNormSetup extends NormSetup {
  /** Elements that are normalized together. */
  readonly length: number;
  /** The number of such rows in a sample. */
  readonly rowsPerSample: number;
  /** A float64 for each row of each sample, kept from forward to backward. */
  readonly invRmsPtr: number;
}

export function bindRmsNorm(setup: RmsNormSetup): BoundSampleNorm {
  const { kernels, step, length, rowsPerSample, eps, weightPtr, xPtr, dyPtr, dxPtr } = setup;
  const rowBytes = length * FLOAT_BYTES;
  const leaves = leafGradients(length, [setup.weightGrad]);

  const backwardSample = (sample: number, grain: number): void => {
    const weightLeaf = setup.weightGrad?.leafPtr(grain) ?? 0;
    const end = (sample + 1) * rowsPerSample;
    for (let row = sample * rowsPerSample; row < end; row++) {
      const at = row * rowBytes;
      kernels.rmsNormGradF32(
        xPtr + at,
        dyPtr + at,
        dxPtr === 0 ? 0 : dxPtr + at,
        length,
        weightPtr,
        setup.invRmsPtr + row * DOUBLE_BYTES,
        weightLeaf,
      );
    }
  };

  return {
    forward() {
      const rows = step.grainStart[setup.countGrains]! * rowsPerSample;
      for (let row = 0; row < rows; row++) {
        const at = row * rowBytes;
        const keptPtr = setup.invRmsPtr + row * DOUBLE_BYTES;
        kernels.rmsNormF32(xPtr + at, setup.yPtr + at, length, eps, weightPtr, keptPtr);
      }
    },
    backward: () => sumGrains(setup, leaves, backwardSample),
  };
}
