// Convolution by Winograd's minimal filtering, F(4x4, 3x3) (kernels/abi/winograd.ts): 36 products
// per channel and tile of 4x4 outputs instead of 144. It works in bands (several samples, or part
// of a large one) so that the transformed tiles stay in the L2 cache.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { Binding } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { type ConvAxes, type ConvPasses, endingOf } from './convSteps.ts';
import {
  bindTransform,
  type Places,
  placesOf,
  planOf,
  type Side,
  sideOf,
} from './winogradLayout.ts';
import { type Cut, KERNEL, planeBytes, type Tiling } from './winogradPlan.ts';

/** Binds the passes, except the weight gradient, of a convolution for which `isWinograd` holds. */
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
    ...endingOf(binding),
    transform(from, count) {
      const ptr = weightPtr + from * FLOAT_BYTES;
      kernels.winogradWeightsF32(
        ptr,
        tapBytes,
        rowBytes,
        inChannels,
        count,
        panelsPtr,
        outputPlaneBytes,
      );
    },
  });
  const inputGrad = bindConvolution(places, inputs, y, x, turned, {
    block: inputBlock,
    panelsPtr: gradPanelsPtr,
    planeBytes: inputPlaneBytes,
    biasPtr: dxBiasPtr,
    addendBytes: 0,
    isRelu: 0,
    transform(from, count) {
      const ptr = weightPtr + from * rowBytes;
      kernels.winogradWeightsF32(
        ptr,
        tapBytes,
        rowBytes,
        count,
        outChannels,
        panelsPtr,
        inputPlaneBytes,
      );
      kernels.winogradTurnPanelsF32(panelsPtr, count, outChannels, inputPlaneBytes, gradPanelsPtr);
    },
  });
  return {
    forward: (countSamples) => forward(input.ptr, output.ptr, countSamples),
    inputGrad: (countSamples) => inputGrad(output.gradPtr, input.gradPtr, countSamples),
  };
}

/** The weights of a convolution, transformed in blocks of the channels that it writes. */
interface Weights {
  readonly block: number;
  readonly panelsPtr: number;
  /** The bytes of one plane of a block. */
  readonly planeBytes: number;
  /** 0 for none. */
  readonly biasPtr: number;
  /** See kernels/abi/winograd.ts. */
  readonly addendBytes: number;
  readonly isRelu: number;
  /** Writes the panels of `count` channels to `panelsPtr`. */
  transform(from: number, count: number): void;
}

/** Binds a convolution: tiles are transformed, multiplied and transformed back, band by band. */
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
  const { block, panelsPtr, biasPtr, addendBytes, isRelu } = weights;
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
          addendBytes,
          isRelu,
        );
      }
    }
  };
  return (fromPtr, toPtr, countSamples) => {
    if (isWhole) weights.transform(0, block);
    for (let first = 0; first < countSamples; first += samplesOfBand) {
      const samples = Math.min(samplesOfBand, countSamples - first);
      for (const cut of cuts) {
        for (let sample = 0; sample < samples; sample++) {
          transform(cut, fromPtr + (first + sample) * from.sampleBytes, sample, samples, 0);
        }
        multiply(cut, samples);
        transformBack(cut, toPtr + first * to.sampleBytes, samples);
      }
    }
  };
}
