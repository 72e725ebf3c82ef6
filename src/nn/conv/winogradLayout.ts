// What the passes of Winograd convolution share: how a layer is cut, the memory they use, and the
// transform of samples into planes.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { Binding, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import type { ConvAxes } from './convSteps.ts';
import { blockOfRows } from './weightBlocks.ts';
import {
  type Cut,
  GRADIENT_TILES,
  leastTiles,
  PLACES,
  planeBytes,
  scratchFloats,
  type Tiling,
  tilingOf,
} from './winogradPlan.ts';

/** The size of the transformed weights beside the tiles that they multiply. */
const BLOCK_BYTES = 384 * 1024;

export interface Plan {
  /** Tiles of the outputs, for the forward pass. */
  readonly outputs: Tiling;
  /** Tiles of the outputs, for the weight gradient. */
  readonly gradients: Tiling;
  /** Tiles of the inputs, for the input gradient. */
  readonly inputs: Tiling;
  /** The number of output channels transformed at once, and the bytes of a plane of them. */
  readonly outputBlock: number;
  readonly outputPlaneBytes: number;
  /** The same for input channels, for both gradients. */
  readonly inputBlock: number;
  readonly inputPlaneBytes: number;
}

export function planOf(spec: Conv2dSpec, axes: ConvAxes): Plan {
  const { inChannels, outChannels } = spec;
  const outputSize = [axes.y.output, axes.x.output] as const;
  const outputBlock = blockOfRows(PLACES * inChannels, outChannels, BLOCK_BYTES);
  const inputBlock = blockOfRows(PLACES * outChannels, inChannels, BLOCK_BYTES);
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
    { name: 'panels', type: 'f32', shape: panels, lifetime: 'pass' },
    // Holds the sums of the weight gradient, or the weights for the input gradient.
    { name: 'gradPanels', type: 'f32', shape: inputPlanes, lifetime: 'pass' },
    { name: 'tiles', type: 'f32', shape: band, lifetime: 'pass' },
    { name: 'products', type: 'f32', shape: band, lifetime: 'pass' },
    { name: 'lines', type: 'f32', shape: [lines], lifetime: 'pass' },
  ];
}

/** Where the passes work. */
export interface Places {
  readonly kernels: KernelExports;
  readonly tilesPtr: number;
  readonly productsPtr: number;
  readonly linesPtr: number;
}

/** One side of a convolution: the size of its image, and how it becomes planes. */
export interface Side {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly sampleBytes: number;
}

export function sideOf(height: number, width: number, channels: number): Side {
  return { height, width, channels, sampleBytes: height * width * channels * FLOAT_BYTES };
}

export function placesOf(binding: Binding): Places {
  return {
    kernels: binding.kernels,
    tilesPtr: binding.workspacePtr('tiles'),
    productsPtr: binding.workspacePtr('products'),
    linesPtr: binding.workspacePtr('lines'),
  };
}

/** Binds the transform of a cut's tiles of one sample into planes, for the image or its gradient.
 * `border` is the number of zeros around the image; `before` counts the tiles that precede those
 * of all the samples. */
export function bindTransform(
  transform: KernelExports['winogradInputF32' | 'winogradOutputGradF32'],
  planes: { readonly ptr: number; readonly bytes: number; readonly linesPtr: number },
  side: Side,
  border: { readonly y: number; readonly x: number },
): (cut: Cut, fromPtr: number, sample: number, samples: number, before: number) => void {
  const { height, width, channels } = side;
  const tileBytes = channels * FLOAT_BYTES;
  return (cut, fromPtr, sample, samples, before) => {
    for (const region of cut.regions) {
      const tile = before + region.before * samples + sample * region.tiles;
      transform(
        fromPtr,
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
  };
}
