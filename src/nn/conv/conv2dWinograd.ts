// Convolution by Winograd's minimal filtering, F(4x4, 3x3) (kernels/abi/winograd.ts): 36 products a
// channel and tile of 4x4 outputs where the direct way has 144. Works in bands, so that the
// transformed tiles stay in the second cache: several samples, or part of a large one.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { Binding, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import type { ConvAxes, ConvPasses, WeightGradPart } from './convSteps.ts';
import { blockOfRows } from './weightBlocks.ts';
import {
  type Cut,
  GRADIENT_TILES,
  KERNEL,
  leastTiles,
  PLACES,
  planeBytes,
  scratchFloats,
  sumsTiles,
  type Tiling,
  tilingOf,
} from './winogradPlan.ts';

interface Plan {
  /** Of the outputs, for the forward pass. */
  readonly outputs: Tiling;
  /** Of the outputs, for the weight gradient. */
  readonly gradients: Tiling;
  /** Of the inputs, for the input gradient. */
  readonly inputs: Tiling;
  /** Output channels whose weights are transformed at once, and the bytes of a plane of them. */
  readonly outputBlock: number;
  readonly outputPlaneBytes: number;
  /** Likewise input channels, for both gradients. */
  readonly inputBlock: number;
  readonly inputPlaneBytes: number;
}

function planOf(spec: Conv2dSpec, axes: ConvAxes): Plan {
  const { inChannels, outChannels } = spec;
  const outputSize = [axes.y.output, axes.x.output] as const;
  const outputBlock = blockOfRows(PLACES * inChannels, outChannels);
  const inputBlock = blockOfRows(PLACES * outChannels, inChannels);
  return {
    outputs: tilingOf(outputSize, spec, leastTiles(outputBlock < outChannels)),
    gradients: tilingOf(outputSize, spec, GRADIENT_TILES),
    inputs: tilingOf([axes.y.input, axes.x.input], spec, leastTiles(inputBlock < inChannels)),
    outputBlock,
    outputPlaneBytes: planeBytes(inChannels * outputBlock),
    inputBlock,
    inputPlaneBytes: planeBytes(inputBlock * outChannels),
  };
}

/** The memory that the passes need. */
export function winogradWorkspace(
  spec: Conv2dSpec,
  axes: ConvAxes,
): readonly WorkspaceDeclaration[] {
  const { outputs, gradients, inputs, outputPlaneBytes, inputPlaneBytes } = planOf(spec, axes);
  const channels = Math.max(spec.inChannels, spec.outChannels);
  const inputPlanes = [PLACES, inputPlaneBytes / FLOAT_BYTES];
  const panels = [PLACES, Math.max(outputPlaneBytes, inputPlaneBytes) / FLOAT_BYTES];
  const tiles = Math.max(outputs.tiles, gradients.tiles, inputs.tiles);
  const band = [PLACES, planeBytes(tiles * channels) / FLOAT_BYTES];
  const lines = scratchFloats(Math.max(outputs.width, inputs.width), channels);
  return [
    { name: 'panels', type: 'f32', shape: panels, isScratch: true },
    { name: 'gradPanels', type: 'f32', shape: inputPlanes, isScratch: true },
    ...(sumsTiles(axes)
      ? [{ name: 'weightGrad', type: 'f32', shape: inputPlanes, isScratch: true } as const]
      : []),
    { name: 'tiles', type: 'f32', shape: band, isScratch: true },
    { name: 'products', type: 'f32', shape: band, isScratch: true },
    { name: 'lines', type: 'f32', shape: [lines], isScratch: true },
  ];
}

/** Where the passes work. */
interface Places {
  readonly kernels: KernelExports;
  readonly tilesPtr: number;
  readonly productsPtr: number;
  readonly linesPtr: number;
}

/** An image side of a convolution: its size and how it becomes planes. */
interface Side {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly sampleBytes: number;
}

function sideOf(height: number, width: number, channels: number): Side {
  return { height, width, channels, sampleBytes: height * width * channels * FLOAT_BYTES };
}

function placesOf(binding: Binding): Places {
  return {
    kernels: binding.kernels,
    tilesPtr: binding.workspacePtr('tiles'),
    productsPtr: binding.workspacePtr('products'),
    linesPtr: binding.workspacePtr('lines'),
  };
}

/** Binds the passes, but for the weight's gradient, of a convolution for which `isWinograd`
 * holds. */
export function bindWinograd(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
  dxBiasPtr: number,
): Omit<ConvPasses, 'weightGrads'> {
  const { kernels } = binding;
  const { inChannels, outChannels } = spec;
  const { outputs, outputBlock, outputPlaneBytes, inputs, inputBlock, inputPlaneBytes } = planOf(
    spec,
    axes,
  );
  const places = placesOf(binding);
  const panelsPtr = binding.workspacePtr('panels');
  const gradPanelsPtr = binding.workspacePtr('gradPanels');
  const weightPtr = binding.parameterPtr('weight');
  const x = sideOf(axes.y.input, axes.x.input, inChannels);
  const y = sideOf(axes.y.output, axes.x.output, outChannels);
  const padding = { y: axes.y.before, x: axes.x.before };
  const turned = { y: KERNEL - 1 - padding.y, x: KERNEL - 1 - padding.x };
  const { input, output } = binding;
  const rowBytes = outChannels * FLOAT_BYTES;
  const tapBytes = inChannels * rowBytes;
  const forward = bindConvolution(places, outputs, x, y, padding, {
    block: outputBlock,
    panelsPtr,
    planeBytes: outputPlaneBytes,
    biasPtr: spec.bias ? binding.parameterPtr('bias') : 0,
    transform(from, count) {
      const ptr = weightPtr + from * FLOAT_BYTES;
      kernels.winogradWeightsF32(
        ...([ptr, tapBytes, rowBytes, inChannels, count, panelsPtr, outputPlaneBytes] as const),
      );
    },
  });
  const inputGrad = bindConvolution(places, inputs, y, x, turned, {
    block: inputBlock,
    panelsPtr: gradPanelsPtr,
    planeBytes: inputPlaneBytes,
    biasPtr: dxBiasPtr,
    transform(from, count) {
      const ptr = weightPtr + from * rowBytes;
      kernels.winogradWeightsF32(
        ...([ptr, tapBytes, rowBytes, count, outChannels, panelsPtr, inputPlaneBytes] as const),
      );
      kernels.winogradTurnPanelsF32(panelsPtr, count, outChannels, inputPlaneBytes, gradPanelsPtr);
    },
  });
  return {
    forward: (countSamples) => forward(input.ptr, output.ptr, countSamples),
    inputGrad: (countSamples) => inputGrad(output.gradPtr, input.gradPtr, countSamples),
  };
}

/** Binds what transforms some samples' tiles of a cut into planes, of the image or of its gradient;
 * `border`: zeros around the image. */
function bindTransform(
  transform: KernelExports['winogradInputF32' | 'winogradOutputGradF32'],
  planes: { readonly ptr: number; readonly bytes: number; readonly linesPtr: number },
  side: Side,
  border: { readonly y: number; readonly x: number },
): (cut: Cut, fromPtr: number, samples: number) => void {
  const { height, width, channels, sampleBytes } = side;
  const tileBytes = channels * FLOAT_BYTES;
  return (cut, fromPtr, samples) => {
    for (const region of cut.regions) {
      for (let sample = 0; sample < samples; sample++) {
        const tile = region.before * samples + sample * region.tiles;
        transform(
          fromPtr + sample * sampleBytes,
          height,
          width,
          channels,
          region.top - border.y,
          region.left - border.x,
          region.rows,
          region.columns,
          region.rowPoints,
          region.columnPoints,
          planes.linesPtr,
          planes.ptr + tile * tileBytes,
          planes.bytes,
        );
      }
    }
  };
}

/** The weights of a convolution, transformed in blocks of the channels that it writes. */
interface Weights {
  readonly block: number;
  readonly panelsPtr: number;
  /** Of a block. */
  readonly planeBytes: number;
  /** 0 for none. */
  readonly biasPtr: number;
  /** Leaves the panels of some channels at `panelsPtr`. */
  transform(from: number, count: number): void;
}

/** Binds a convolution: transformed, multiplied, transformed back, band by band. */
function bindConvolution(
  places: Places,
  tiling: Tiling,
  from: Side,
  to: Side,
  border: { readonly y: number; readonly x: number },
  weights: Weights,
): (fromPtr: number, toPtr: number, countSamples: number) => void {
  const { kernels, tilesPtr, productsPtr, linesPtr } = places;
  const { cuts, samplesOfBand } = tiling;
  const { block, panelsPtr, biasPtr } = weights;
  const fromPlane = planeBytes(tiling.tiles * from.channels);
  const toPlane = planeBytes(tiling.tiles * to.channels);
  const tileBytes = to.channels * FLOAT_BYTES;
  const fromPlanes = { ptr: tilesPtr, bytes: fromPlane, linesPtr };
  const transform = bindTransform(kernels.winogradInputF32, fromPlanes, from, border);
  const isWhole = block === to.channels;
  const multiply = (cut: Cut, samples: number): void => {
    for (let channel = 0; channel < to.channels; channel += block) {
      const count = Math.min(block, to.channels - channel);
      if (!isWhole) weights.transform(channel, count);
      kernels.winogradProductsF32(
        tilesPtr,
        fromPlane,
        cut.tailColumns * samples,
        cut.full * samples,
        cut.tailRows * samples,
        cut.corners * samples,
        from.channels,
        panelsPtr,
        weights.planeBytes,
        productsPtr + channel * FLOAT_BYTES,
        toPlane,
        tileBytes,
        count,
      );
    }
  };
  const transformBack = (cut: Cut, toPtr: number, samples: number): void => {
    for (const region of cut.regions) {
      for (let sample = 0; sample < samples; sample++) {
        const tile = region.before * samples + sample * region.tiles;
        kernels.winogradOutputF32(
          productsPtr + tile * tileBytes,
          toPlane,
          to.height,
          to.width,
          to.channels,
          region.top,
          region.left,
          region.rows,
          region.columns,
          region.rowPoints,
          region.columnPoints,
          linesPtr,
          biasPtr,
          toPtr + sample * to.sampleBytes,
        );
      }
    }
  };
  return (fromPtr, toPtr, countSamples) => {
    if (isWhole) weights.transform(0, block);
    for (let first = 0; first < countSamples; first += samplesOfBand) {
      const samples = Math.min(samplesOfBand, countSamples - first);
      for (const cut of cuts) {
        transform(cut, fromPtr + first * from.sampleBytes, samples);
        multiply(cut, samples);
        transformBack(cut, toPtr + first * to.sampleBytes, samples);
      }
    }
  };
}

/** Binds the weight's gradient where `sumsTiles` holds: summed in the transformed places, and
 * transformed back at the end, one block of input channels after the other. */
export function bindWinogradGrad(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
): WeightGradPart {
  const { gradients, inputBlock, inputPlaneBytes } = planOf(spec, axes);
  const places = placesOf(binding);
  const x = sideOf(axes.y.input, axes.x.input, spec.inChannels);
  const y = sideOf(axes.y.output, axes.x.output, spec.outChannels);
  const padding = { y: axes.y.before, x: axes.x.before };
  const { kernels, tilesPtr, productsPtr, linesPtr } = places;
  const { cuts, samplesOfBand, tiles } = gradients;
  const sumsPtr = binding.workspacePtr('weightGrad');
  const xPlane = planeBytes(tiles * x.channels);
  const dyPlane = planeBytes(tiles * y.channels);
  const { input, output } = binding;
  const xPlanes = { ptr: tilesPtr, bytes: xPlane, linesPtr };
  const dyPlanes = { ptr: productsPtr, bytes: dyPlane, linesPtr };
  const transform = bindTransform(kernels.winogradInputF32, xPlanes, x, padding);
  const transformGrad = bindTransform(kernels.winogradOutputGradF32, dyPlanes, y, { y: 0, x: 0 });
  const rowBytes = y.channels * FLOAT_BYTES;
  const tapBytes = x.channels * rowBytes;
  const multiply = (cut: Cut, samples: number, from: number, count: number, accumulate: number) => {
    kernels.winogradGradProductsF32(
      tilesPtr + from * FLOAT_BYTES,
      xPlane,
      cut.tailColumns * samples,
      cut.full * samples,
      cut.tailRows * samples,
      cut.corners * samples,
      x.channels * FLOAT_BYTES,
      count,
      productsPtr,
      dyPlane,
      y.channels,
      sumsPtr,
      inputPlaneBytes,
      accumulate,
    );
  };
  const run: WeightGradPart['run'] = (start, end, gradPtr) => {
    const isOneBand = cuts.length === 1 && end - start <= samplesOfBand;
    for (let from = 0; from < x.channels; from += inputBlock) {
      const count = Math.min(inputBlock, x.channels - from);
      let accumulate = 0;
      for (let first = start; first < end; first += samplesOfBand) {
        const samples = Math.min(samplesOfBand, end - first);
        for (const cut of cuts) {
          // The tiles of the block before are still there.
          if (from === 0 || !isOneBand) {
            transform(cut, input.ptr + first * x.sampleBytes, samples);
            transformGrad(cut, output.gradPtr + first * y.sampleBytes, samples);
          }
          multiply(cut, samples, from, count, accumulate);
          accumulate = 1;
        }
      }
      const ptr = gradPtr + from * rowBytes;
      const length = count * y.channels;
      kernels.winogradWeightGradF32(sumsPtr, inputPlaneBytes, length, linesPtr, ptr, tapBytes);
    }
  };
  return { length: KERNEL ** 2 * x.channels * y.channels, run };
}
