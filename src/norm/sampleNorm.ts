// Normalizations over single samples, which need no synchronization: group normalization (Wu and He
// 2018), instance normalization, which is one group per channel, and layer normalization (Ba,
// Kiros, Hinton 2016) over the last axes with weight and bias per element.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { gradCoefficientsLength } from './coefficients.ts';
import { bindDerive, bindPasses } from './passes.ts';
import { leafGradients, sumGrains } from './sampleGradients.ts';
import type { NormSetup } from './setup.ts';

export interface GroupNormSetup extends NormSetup {
  readonly channels: number;
  readonly numGroups: number;
  readonly rowsPerSample: number;
  /** 4 C float64 for each sample, kept from forward to backward. */
  readonly coefficientsPtr: number;
  /** {@link groupNormScratchLength} float64 for all samples. */
  readonly scratchPtr: number;
  /** Receives the moments of each sample, in order. */
  readonly observe?: (sample: number, momentsPtr: number) => void;
}

export interface LayerNormSetup extends NormSetup {
  /** Elements that are normalized together. */
  readonly length: number;
  /** The number of such rows in a sample. */
  readonly rowsPerSample: number;
  /** 2 float64 for each row of each sample, kept from forward to backward. */
  readonly statisticsPtr: number;
  /** `length` float32 for one row's gradient after a relu. */
  readonly openGradPtr: number;
}

export interface BoundSampleNorm {
  forward(): void;
  backward(): void;
}

export interface BoundGroupNorm extends BoundSampleNorm {
  /** Recomputes the output of a sample at another address, as the last forward pass wrote it. */
  derive(sample: number, toPtr: number): void;
}

/** Moments or sums of one sample, then the gradient coefficients of each. */
export function groupNormScratchLength(channels: number, samples: number): number {
  return vectorLength(channels) + samples * gradCoefficientsLength(channels);
}

/** Even, so that the next vector is aligned to 16 bytes. */
function vectorLength(channels: number): number {
  return 2 + 2 * channels;
}

/** Binds a group normalization; with numGroups = channels it is an instance normalization. All
 * samples are read before any is written. Alternating between reading and writing takes up to a
 * fifth longer, although the second read would then hit the nearest caches. */
export function bindGroupNorm(setup: GroupNormSetup): BoundGroupNorm {
  const { coefficientsPtr } = setup;
  const { setBytes } = groupStrides(setup);
  const derive = bindDerive(setup, setup.rowsPerSample, setup.channels);
  return {
    forward: bindGroupForward(setup),
    backward: bindGroupBackward(setup),
    derive: (sample, toPtr) => derive(sample, toPtr, coefficientsPtr + sample * setBytes),
  };
}

/** The distances in memory between samples. */
function groupStrides({ channels, rowsPerSample }: GroupNormSetup) {
  return {
    sampleBytes: rowsPerSample * channels * FLOAT_BYTES,
    setBytes: 4 * channels * DOUBLE_BYTES,
    gradSetBytes: gradCoefficientsLength(channels) * DOUBLE_BYTES,
  };
}

function bindGroupForward(setup: GroupNormSetup): () => void {
  const { kernels, step, channels, numGroups, rowsPerSample, eps, weightPtr, biasPtr } = setup;
  const { sampleBytes, setBytes } = groupStrides(setup);
  const passes = bindPasses(setup);
  const vectorPtr = setup.scratchPtr;

  const takeStatistics = (sample: number): void => {
    const xPtr = setup.xPtr + sample * sampleBytes;
    const coefficientsPtr = setup.coefficientsPtr + sample * setBytes;
    // The pivots use the memory of the coefficients, which are written later.
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
  };

  return () => {
    const samples = step.grainStart[setup.countGrains]!;
    for (let sample = 0; sample < samples; sample++) takeStatistics(sample);
    for (let sample = 0; sample < samples; sample++) {
      const at = sample * sampleBytes;
      const coefficientsPtr = setup.coefficientsPtr + sample * setBytes;
      passes.normalize(setup.xPtr + at, setup.yPtr + at, rowsPerSample, channels, coefficientsPtr);
    }
  };
}

function bindGroupBackward(setup: GroupNormSetup): () => void {
  const { kernels, step, channels, numGroups, rowsPerSample, weightPtr } = setup;
  const { sampleBytes, setBytes, gradSetBytes } = groupStrides(setup);
  const passes = bindPasses(setup);
  const vectorPtr = setup.scratchPtr;
  const gradCoefficientsPtr = vectorPtr + vectorLength(channels) * DOUBLE_BYTES;
  const leaves = leafGradients(channels, [setup.weightGrad, setup.biasGrad]);

  const takeGradSums = (sample: number, grain: number): void => {
    const xPtr = setup.xPtr + sample * sampleBytes;
    const dyPtr = setup.dyPtr + sample * sampleBytes;
    const setPtr = setup.coefficientsPtr + sample * setBytes;
    const gradPtr = gradCoefficientsPtr + sample * gradSetBytes;
    passes.gradSums(xPtr, dyPtr, rowsPerSample, channels, setPtr, gradPtr, vectorPtr);
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
      setPtr,
      gradPtr,
    );
  };

  return () => {
    sumGrains(setup, leaves, takeGradSums);
    if (setup.dxPtr === 0) return;
    const samples = step.grainStart[setup.countGrains]!;
    for (let sample = 0; sample < samples; sample++) {
      const at = sample * sampleBytes;
      passes.inputGrad(
        setup.xPtr + at,
        setup.dyPtr + at,
        setup.dxPtr + at,
        rowsPerSample,
        channels,
        setup.coefficientsPtr + sample * setBytes,
        gradCoefficientsPtr + sample * gradSetBytes,
      );
    }
  };
}

/** Binds a layer normalization over rows of `length` elements. */
export function bindLayerNorm(setup: LayerNormSetup): BoundSampleNorm {
  const { kernels, step, length, rowsPerSample, eps, weightPtr, biasPtr, statisticsPtr } = setup;
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
        const { xPtr, yPtr } = setup;
        kernels.layerNormF32(xPtr + at, yPtr + at, length, eps, weightPtr, biasPtr, keptPtr);
        // Done while the row is in the nearest cache.
        if (setup.isRelu) kernels.reluF32(yPtr + at, yPtr + at, length);
      }
    },
    backward: () => sumGrains(setup, leaves, backwardSample),
  };
}
