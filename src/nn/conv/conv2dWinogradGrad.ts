// The weight gradient of Winograd convolution, summed in the transformed domain and transformed
// back for each grain. A large weight is split into blocks of input channels, so that the sums and
// leaves of a block stay in the L2 cache until all grains are folded.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { Binding } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { bindSamples, type ConvAxes, type WeightGradPart } from './convSteps.ts';
import { bindTransform, placesOf, planOf, sideOf } from './winogradLayout.ts';
import { type Cut, KERNEL, planeBytes, type Tiling } from './winogradPlan.ts';

const TAPS = KERNEL ** 2;
/** A grain rarely has more samples. */
const GRAIN_SAMPLES = 8;

/** Whether the tiles of a sample are computed once instead of once for each block of channels. */
export function transformsOnce(spec: Conv2dSpec, axes: ConvAxes): boolean {
  const { gradients, inputBlock } = planOf(spec, axes);
  return inputBlock === spec.inChannels || gradients.samplesOfBand >= GRAIN_SAMPLES;
}

/** Binds the weight gradient. Requires `sumsTiles`. */
export function bindWinogradGrads(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
): readonly WeightGradPart[] {
  const { gradients, inputBlock } = planOf(spec, axes);
  const { cuts, samplesOfBand } = gradients;
  const { inChannels, outChannels } = spec;
  const steps = bindSteps(spec, axes, binding);
  // Blocks need the tiles of all samples at once, side by side grain by grain.
  const isPlain = cuts.length === 1 && cuts[0]!.regions.length === 1 && cuts[0]!.full > 0;
  if (inputBlock === inChannels || !isPlain || binding.capacity > samplesOfBand) {
    const run = bandByBand(steps, gradients, spec, inputBlock);
    return [{ ranges: tapRanges(0, inChannels, spec), run }];
  }
  const [cut] = cuts as [Cut];
  const blocks = Array.from({ length: Math.ceil(inChannels / inputBlock) }, (_, block) => {
    const from = block * inputBlock;
    return { from, count: Math.min(inputBlock, inChannels - from) };
  });
  return blocks.map(({ from, count }) => ({
    ranges: tapRanges(from, count, spec),
    run(start, end, ptrs) {
      const samples = end - start;
      const before = start * cut.full;
      if (from === 0) {
        steps.begin();
        steps.transform(cut, start, samples, before);
      }
      steps.multiply({ cut, samples, before, from, count, accumulate: 0 });
      steps.transformBack(count * outChannels, ptrs[0]!, ptrs[1]! - ptrs[0]!);
    },
  }));
}

/** The elements of each tap of some input channels. */
function tapRanges(from: number, count: number, { inChannels, outChannels }: Conv2dSpec) {
  return Array.from({ length: TAPS }, (_, tap) => ({
    offset: (tap * inChannels + from) * outChannels,
    length: count * outChannels,
  }));
}

/** What is multiplied: tiles of a cut, after `before` others, and some input channels. */
interface Product {
  readonly cut: Cut;
  readonly samples: number;
  readonly before: number;
  readonly from: number;
  readonly count: number;
  readonly accumulate: number;
}

interface Steps {
  /** Called before the first sample of a range. */
  begin(): void;
  /** Transforms the tiles of some samples, which follow `before` other tiles. */
  transform(cut: Cut, first: number, samples: number, before: number): void;
  multiply(product: Product): void;
  /** Transforms back the sums of `length` elements of each tap. */
  transformBack(length: number, gradPtr: number, tapBytes: number): void;
}

function bindSteps(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): Steps {
  const { gradients, inputPlaneBytes } = planOf(spec, axes);
  const { kernels, tilesPtr, productsPtr, linesPtr } = placesOf(binding);
  const x = sideOf(axes.y.input, axes.x.input, spec.inChannels);
  const y = sideOf(axes.y.output, axes.x.output, spec.outChannels);
  const sumsPtr = binding.workspacePtr('gradPanels');
  const xPlane = planeBytes(gradients.tiles * x.channels);
  const dyPlane = planeBytes(gradients.tiles * y.channels);
  const { input, output } = binding;
  const padding = { y: axes.y.before, x: axes.x.before };
  const xPlanes = { ptr: tilesPtr, bytes: xPlane, linesPtr };
  const dyPlanes = { ptr: productsPtr, bytes: dyPlane, linesPtr };
  const transformInput = bindTransform(kernels.winogradInputF32, xPlanes, x, padding);
  const transformGrad = bindTransform(kernels.winogradOutputGradF32, dyPlanes, y, { y: 0, x: 0 });
  const inputAt = bindSamples(input);
  // The parts of a large sample follow each other.
  let heldSample = -1;
  let heldPtr = 0;
  const [xTileBytes, dyTileBytes] = [x.channels * FLOAT_BYTES, y.channels * FLOAT_BYTES];
  return {
    begin() {
      heldSample = -1;
    },
    transform(cut, first, samples, before) {
      for (let sample = 0; sample < samples; sample++) {
        if (first + sample !== heldSample) heldPtr = inputAt(first + sample);
        heldSample = first + sample;
        transformInput(cut, heldPtr, sample, samples, before);
      }
      for (let sample = 0; sample < samples; sample++) {
        const dyPtr = output.gradPtr + (first + sample) * y.sampleBytes;
        transformGrad(cut, dyPtr, sample, samples, before);
      }
    },
    multiply({ cut, samples, before, from, count, accumulate }) {
      kernels.winogradGradProductsF32(
        tilesPtr + before * xTileBytes + from * FLOAT_BYTES,
        xPlane,
        cut.tailColumns * samples,
        cut.full * samples,
        cut.tailRows * samples,
        cut.corners * samples,
        xTileBytes,
        count,
        productsPtr + before * dyTileBytes,
        dyPlane,
        y.channels,
        sumsPtr,
        inputPlaneBytes,
        accumulate,
      );
    },
    transformBack(length, gradPtr, tapBytes) {
      kernels.winogradWeightGradF32(sumsPtr, inputPlaneBytes, length, linesPtr, gradPtr, tapBytes);
    },
  };
}

/** Sums over bands of samples, or over parts of one sample. */
function bandByBand(
  steps: Steps,
  { cuts, samplesOfBand }: Tiling,
  { inChannels, outChannels }: Conv2dSpec,
  inputBlock: number,
): WeightGradPart['run'] {
  return (start, end, ptrs) => {
    steps.begin();
    const isOneBand = cuts.length === 1 && end - start <= samplesOfBand;
    for (let from = 0; from < inChannels; from += inputBlock) {
      const count = Math.min(inputBlock, inChannels - from);
      let accumulate = 0;
      for (let first = start; first < end; first += samplesOfBand) {
        const samples = Math.min(samplesOfBand, end - first);
        for (const cut of cuts) {
          // The tiles of the previous block are still in memory.
          if (from === 0 || !isOneBand) steps.transform(cut, first, samples, 0);
          steps.multiply({ cut, samples, before: 0, from, count, accumulate });
          accumulate = 1;
        }
      }
      const gradPtr = ptrs[0]! + from * outChannels * FLOAT_BYTES;
      steps.transformBack(count * outChannels, gradPtr, ptrs[1]! - ptrs[0]!);
    }
  };
}
