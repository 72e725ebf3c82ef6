// Normalizations that look at one sample alone and so need no synchronization: group normalization
// (Wu and He 2018), instance normalization, which is one group per channel, and layer normalization
// (Ba, Kiros, Hinton 2016) over the last axes with weight and bias by element.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { gradCoefficientsLength } from './coefficients.ts';
import { bindPasses } from './passes.ts';
import { leafGradients, sumGrains } from './sampleGradients.ts';
import type { NormSetup } from './setup.ts';

export interface GroupNormSetup extends NormSetup {
  readonly channels: number;
  readonly numGroups: number;
  readonly rowsPerSample: number;
  /** 4 C float64 for each sample, kept from forward to backward. */
  readonly coefficientsPtr: number;
  /** {@link groupNormScratchLength} float64. */
  readonly scratchPtr: number;
  /** Is shown the moments of each sample, in order. */
  readonly observe?: (sample: number, momentsPtr: number) => void;
}

export interface LayerNormSetup extends NormSetup {
  /** Elements that are normalized together. */
  readonly length: number;
  /** How many such rows a sample has. */
  readonly rowsPerSample: number;
  /** 2 float64 for each row of each sample, kept from forward to backward. */
  readonly statisticsPtr: number;
  /** `length` float32 for one row's gradient behind a relu. */
  readonly openGradPtr: number;
}

export interface BoundSampleNorm {
  forward(): void;
  backward(): void;
}

/** Gradient coefficients, then moments or sums, of one sample. */
export function groupNormScratchLength(channels: number): number {
  return gradCoefficientsLength(channels) + 1 + 2 * channels;
}

/** Binds a group normalization; with numGroups = channels it is an instance normalization. */
export function bindGroupNorm(setup: GroupNormSetup): BoundSampleNorm {
  const { kernels, step, channels, numGroups, rowsPerSample, eps, weightPtr, biasPtr } = setup;
  const sampleBytes = rowsPerSample * channels * FLOAT_BYTES;
  const setBytes = 4 * channels * DOUBLE_BYTES;
  const passes = bindPasses(setup);
  const gradCoefficientsPtr = setup.scratchPtr;
  const vectorPtr = setup.scratchPtr + gradCoefficientsLength(channels) * DOUBLE_BYTES;
  const leaves = leafGradients(channels, [setup.weightGrad, setup.biasGrad]);

  const backwardSample = (sample: number, grain: number): void => {
    const xPtr = setup.xPtr + sample * sampleBytes;
    const dyPtr = setup.dyPtr + sample * sampleBytes;
    const coefficientsPtr = setup.coefficientsPtr + sample * setBytes;
    passes.gradSums(
      xPtr,
      dyPtr,
      rowsPerSample,
      channels,
      coefficientsPtr,
      gradCoefficientsPtr,
      vectorPtr,
    );
    const weightLeaf = setup.weightGrad?.leafPtr(grain);
    const biasLeaf = setup.biasGrad?.leafPtr(grain);
    const productsPtr = vectorPtr + channels * DOUBLE_BYTES;
    if (weightLeaf !== undefined) kernels.addF64(weightLeaf, weightLeaf, productsPtr, channels);
    if (biasLeaf !== undefined) kernels.addF64(biasLeaf, biasLeaf, vectorPtr, channels);
    if (setup.dxPtr === 0) return;
    kernels.groupNormGradCoefficients(
      vectorPtr,
      rowsPerSample,
      channels,
      numGroups,
      weightPtr,
      coefficientsPtr,
      gradCoefficientsPtr,
    );
    const dxPtr = setup.dxPtr + sample * sampleBytes;
    passes.inputGrad(
      xPtr,
      dyPtr,
      dxPtr,
      rowsPerSample,
      channels,
      coefficientsPtr,
      gradCoefficientsPtr,
    );
  };

  return {
    forward() {
      const samples = step.grainStart[setup.countGrains]!;
      for (let sample = 0; sample < samples; sample++) {
        const xPtr = setup.xPtr + sample * sampleBytes;
        const coefficientsPtr = setup.coefficientsPtr + sample * setBytes;
        // The pivots lie where the coefficients will.
        kernels.momentsF32(xPtr, rowsPerSample, channels, coefficientsPtr, vectorPtr);
        setup.observe?.(sample, vectorPtr);
        kernels.groupNormCoefficients(
          vectorPtr,
          channels,
          numGroups,
          eps,
          weightPtr,
          biasPtr,
          coefficientsPtr,
        );
        const yPtr = setup.yPtr + sample * sampleBytes;
        passes.normalize(xPtr, yPtr, rowsPerSample, channels, coefficientsPtr);
      }
    },
    backward: () => sumGrains(setup, leaves, backwardSample),
  };
}

/** Binds a layer normalization over rows of `length` elements. */
export function bindLayerNorm(setup: LayerNormSetup): BoundSampleNorm {
  const { kernels, step, length, rowsPerSample, weightPtr, biasPtr, statisticsPtr } = setup;
  const rowBytes = length * FLOAT_BYTES;
  const leaves = leafGradients(length, [setup.weightGrad, setup.biasGrad]);

  const backwardSample = (sample: number, grain: number): void => {
    const weightLeaf = setup.weightGrad?.leafPtr(grain) ?? 0;
    const biasLeaf = setup.biasGrad?.leafPtr(grain) ?? 0;
    const end = (sample + 1) * rowsPerSample;
    for (let row = sample * rowsPerSample; row < end; row++) {
      const at = row * rowBytes;
      const { openGradPtr, yPtr } = setup;
      let dyPtr = setup.dyPtr + at;
      if (setup.isRelu) {
        kernels.reluGradF32(dyPtr, yPtr + at, openGradPtr, length);
        dyPtr = openGradPtr;
      }
      kernels.layerNormGradF32(
        setup.xPtr + at,
        dyPtr,
        setup.dxPtr === 0 ? 0 : setup.dxPtr + at,
        length,
        weightPtr,
        statisticsPtr + row * 2 * DOUBLE_BYTES,
        weightLeaf,
        biasLeaf,
      );
    }
  };

  return {
    forward() {
      const rows = step.grainStart[setup.countGrains]! * rowsPerSample;
      for (let row = 0; row < rows; row++) {
        const at = row * rowBytes;
        const keptPtr = statisticsPtr + row * 2 * DOUBLE_BYTES;
        const { xPtr, yPtr, eps } = setup;
        kernels.layerNormF32(xPtr + at, yPtr + at, length, eps, weightPtr, biasPtr, keptPtr);
        // While the row is in the nearest cache.
        if (setup.isRelu) kernels.reluF32(yPtr + at, yPtr + at, length);
      }
    },
    backward: () => sumGrains(setup, leaves, backwardSample),
  };
}
