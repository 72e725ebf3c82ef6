// Convolution by Winograd's minimal filtering, F(2x2, 3x3) (kernels/abi/winograd.ts): 16 products a
// channel and tile of 2x2 outputs where the direct way has 36. Works in bands of tile rows, so that
// the transformed tiles stay in the second cache. Which layers go this way, and how large a band
// is, follows from shapes alone, so that bits depend on nothing else.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { Binding, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import type { ConvPasses } from './convSteps.ts';
import { type ConvAxes, PANEL_CHANNELS, PANEL_ROW_BYTES } from './convSteps.ts';

/** Outputs of a transformed axis; a tile has TILE x TILE places. */
const TILE = 4;
const PLACES = TILE * TILE;
const KERNEL = 3;
/** With fewer channels the transforms cost more than the products save. */
const MIN_CHANNELS = 16;
/** Rows of the products' register tile, which a sample has to fill. */
const MIN_TILES = 4;
/** What the transformed tiles of a band take at most, where a band is more than one row. */
const BAND_BYTES = 256 * 1024;
const LINE_BYTES = 64;

/** Tiles that cover an axis pair, and how they are cut in bands. */
interface Tiles {
  readonly rows: number;
  readonly columns: number;
  readonly bandRows: number;
}

/** Whether a convolution is done this way: 3x3 with stride 1, no dilation and no groups, its
 * channels multiples of 8, at least 16, and at least 4 tiles in the output. */
export function isWinograd(spec: Conv2dSpec, axes: ConvAxes): boolean {
  const { inChannels, outChannels, groups } = spec;
  const fits = (axis: ConvAxes['x']): boolean =>
    axis.kernel === KERNEL && axis.stride === 1 && axis.dilation === 1 && axis.padding < KERNEL;
  return (
    groups === 1 &&
    fits(axes.y) &&
    fits(axes.x) &&
    [inChannels, outChannels].every((c) => c % PANEL_CHANNELS === 0 && c >= MIN_CHANNELS) &&
    countTiles(axes.y.output) * countTiles(axes.x.output) >= MIN_TILES &&
    countTiles(axes.y.input) * countTiles(axes.x.input) >= MIN_TILES
  );
}

function countTiles(size: number): number {
  return Math.ceil(size / 2);
}

/** The size of a bordered axis whose outputs are all in whole tiles. */
function borderedSize(outputs: number): number {
  return 2 * countTiles(outputs) + 2;
}

/** The bordered input that the forward pass reads. */
export function winogradBordered(axes: ConvAxes): {
  readonly rows: number;
  readonly columns: number;
} {
  return { rows: borderedSize(axes.y.output), columns: borderedSize(axes.x.output) };
}

function tilesOf(height: number, width: number, spec: Conv2dSpec): Tiles {
  const [rows, columns] = [countTiles(height), countTiles(width)];
  // A band of one row has to fill the register tile, too.
  if (columns < MIN_TILES) return { rows, columns, bandRows: rows };
  const rowBytes = PLACES * columns * (spec.inChannels + spec.outChannels) * FLOAT_BYTES;
  const bands = Math.ceil(rows / Math.max(1, Math.floor(BAND_BYTES / rowBytes)));
  return { rows, columns, bandRows: Math.ceil(rows / bands) };
}

/** The distance of planes of so many floats: an odd number of cache lines, so that the 16 places of
 * a tile fall into different sets of the cache. */
function planeBytes(length: number): number {
  return (Math.ceil((length * FLOAT_BYTES) / LINE_BYTES) | 1) * LINE_BYTES;
}

/** The distance of the planes of a band of tiles. */
function bandPlaneBytes(tiles: Tiles, channels: number): number {
  return planeBytes(tiles.bandRows * tiles.columns * channels);
}

interface WinogradPlan {
  readonly forward: Tiles;
  readonly backward: Tiles;
  /** Room for one band of transformed inputs, or of gradients, and for one of products. */
  readonly bandBytes: number;
  readonly weightPlaneBytes: number;
}

function planWinograd(spec: Conv2dSpec, axes: ConvAxes): WinogradPlan {
  const { inChannels, outChannels } = spec;
  const forward = tilesOf(axes.y.output, axes.x.output, spec);
  const backward = tilesOf(axes.y.input, axes.x.input, spec);
  const channels = Math.max(inChannels, outChannels);
  const longest = Math.max(bandPlaneBytes(forward, channels), bandPlaneBytes(backward, channels));
  return {
    forward,
    backward,
    bandBytes: PLACES * longest,
    weightPlaneBytes: planeBytes(inChannels * outChannels),
  };
}

/** The memory that the passes need besides the bordered input. */
export function winogradWorkspace(
  spec: Conv2dSpec,
  axes: ConvAxes,
): readonly WorkspaceDeclaration[] {
  const { bandBytes, weightPlaneBytes } = planWinograd(spec, axes);
  const weights = [PLACES, weightPlaneBytes / FLOAT_BYTES];
  const band = [bandBytes / FLOAT_BYTES];
  const bordered = [borderedSize(axes.y.input), borderedSize(axes.x.input), spec.outChannels];
  return [
    { name: 'panels', type: 'f32', shape: weights, isScratch: true },
    { name: 'gradPanels', type: 'f32', shape: weights, isScratch: true },
    { name: 'weightGrad', type: 'f32', shape: weights, isScratch: true },
    { name: 'tiles', type: 'f32', shape: band, isScratch: true },
    { name: 'products', type: 'f32', shape: band, isScratch: true },
    // Its border stays zero.
    { name: 'paddedGrad', type: 'f32', shape: bordered },
  ];
}

/** A convolution of bordered samples with stride 1. */
interface Convolution {
  readonly kernels: KernelExports;
  readonly tiles: Tiles;
  /** Of the output. */
  readonly height: number;
  readonly width: number;
  readonly fromChannels: number;
  readonly toChannels: number;
  readonly fromRowBytes: number;
  readonly tilesPtr: number;
  readonly productsPtr: number;
  readonly panelsPtr: number;
  /** 0 for none. */
  readonly biasPtr: number;
}

/** Binds a convolution: transformed, multiplied, transformed back, band by band. */
function bindConvolution(of: Convolution): (fromPtr: number, toPtr: number) => void {
  const { kernels, tiles, height, width, fromChannels, toChannels, fromRowBytes } = of;
  const { rows, columns, bandRows } = tiles;
  const fromPlane = bandPlaneBytes(tiles, fromChannels);
  const toPlane = bandPlaneBytes(tiles, toChannels);
  const toRowBytes = width * toChannels * FLOAT_BYTES;
  const panelsPlane = planeBytes(fromChannels * toChannels);
  const { tilesPtr, productsPtr, panelsPtr, biasPtr } = of;
  return (fromPtr, toPtr) => {
    for (let first = 0; first < rows; first += bandRows) {
      const count = Math.min(bandRows, rows - first);
      kernels.winogradInputF32(
        fromPtr + 2 * first * fromRowBytes,
        fromRowBytes,
        count,
        columns,
        fromChannels,
        tilesPtr,
        fromPlane,
      );
      kernels.winogradProductsF32(
        tilesPtr,
        fromPlane,
        count * columns,
        fromChannels,
        panelsPtr,
        panelsPlane,
        productsPtr,
        toPlane,
        toChannels,
      );
      kernels.winogradOutputF32(
        productsPtr,
        toPlane,
        count,
        columns,
        toChannels,
        biasPtr,
        toPtr + 2 * first * toRowBytes,
        height - 2 * first,
        width,
      );
    }
  };
}

/** Binds the passes of a convolution for which {@link isWinograd} holds. */
export function bindWinograd(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): ConvPasses {
  const { kernels } = binding;
  const { inChannels, outChannels } = spec;
  const plan = planWinograd(spec, axes);
  const panelsPtr = binding.workspacePtr('panels');
  const gradPanelsPtr = binding.workspacePtr('gradPanels');
  const tilesPtr = binding.workspacePtr('tiles');
  const productsPtr = binding.workspacePtr('products');
  const paddedGradPtr = binding.workspacePtr('paddedGrad');
  const weightPtr = binding.parameterPtr('weight');
  const { weightPlaneBytes } = plan;
  const outBytes = outChannels * FLOAT_BYTES;
  const fromRowBytes = borderedSize(axes.x.output) * inChannels * FLOAT_BYTES;
  const gradRowBytes = borderedSize(axes.x.input) * outBytes;
  const border = KERNEL - 1;
  const insidePtr =
    paddedGradPtr + (border - axes.y.padding) * gradRowBytes + (border - axes.x.padding) * outBytes;
  const shared = { kernels, tilesPtr, productsPtr };

  const prepare = (): void => {
    kernels.winogradWeightsF32(weightPtr, inChannels, outChannels, panelsPtr, weightPlaneBytes);
  };
  /** Sets dy into its zero border. */
  const loadGrad = (dyPtr: number): void => {
    const length = axes.x.output * outChannels;
    const rows = axes.y.output;
    kernels.copyRowsF32(dyPtr, length * FLOAT_BYTES, insidePtr, gradRowBytes, rows, length);
  };
  const gradConvolution = bindConvolution({
    ...shared,
    tiles: plan.backward,
    height: axes.y.input,
    width: axes.x.input,
    fromChannels: outChannels,
    toChannels: inChannels,
    fromRowBytes: gradRowBytes,
    panelsPtr: gradPanelsPtr,
    biasPtr: 0,
  });
  const gradients = { plan, loadGrad, insidePtr, fromRowBytes, gradRowBytes };
  return {
    prepare,
    forward: bindConvolution({
      ...shared,
      tiles: plan.forward,
      height: axes.y.output,
      width: axes.x.output,
      fromChannels: inChannels,
      toChannels: outChannels,
      fromRowBytes,
      panelsPtr,
      biasPtr: spec.bias ? binding.parameterPtr('bias') : 0,
    }),
    ...bindWeightGrad(spec, binding, gradients),
    prepareInputGrad() {
      prepare();
      transposePanels(kernels, spec, panelsPtr, gradPanelsPtr);
    },
    inputGrad(dyPtr, dxPtr) {
      loadGrad(dyPtr);
      gradConvolution(paddedGradPtr, dxPtr);
    },
  };
}

/** The input gradient is the convolution of dy with the weights turned by half a turn, inputs and
 * outputs exchanged; turning a weight exchanges the places 0 and 3 of both axes. */
function transposePanels(
  kernels: KernelExports,
  { inChannels, outChannels }: Conv2dSpec,
  panelsPtr: number,
  gradPanelsPtr: number,
): void {
  const plane = planeBytes(inChannels * outChannels);
  const panelBytes = inChannels * PANEL_ROW_BYTES;
  const gradPanelBytes = outChannels * PANEL_ROW_BYTES;
  const turned = (place: number): number => (place === 0 ? 3 : place === 3 ? 0 : place);
  for (let i = 0; i < TILE; i++) {
    for (let j = 0; j < TILE; j++) {
      const fromPtr = panelsPtr + (turned(i) * TILE + turned(j)) * plane;
      const toPtr = gradPanelsPtr + (i * TILE + j) * plane;
      for (let panel = 0; panel < outChannels / PANEL_CHANNELS; panel++) {
        kernels.packTransposedPanelsF32(
          fromPtr + panel * panelBytes,
          PANEL_ROW_BYTES,
          PANEL_CHANNELS,
          inChannels,
          toPtr + panel * PANEL_CHANNELS * PANEL_ROW_BYTES,
          gradPanelBytes,
        );
      }
    }
  }
}

/** The weight gradient: summed in the transformed places over all samples of a grain, and
 * transformed back at the end. */
function bindWeightGrad(
  spec: Conv2dSpec,
  binding: Binding,
  of: {
    readonly plan: WinogradPlan;
    readonly loadGrad: (dyPtr: number) => void;
    readonly insidePtr: number;
    readonly fromRowBytes: number;
    readonly gradRowBytes: number;
  },
): Pick<ConvPasses, 'weightGrad' | 'endWeightGrad'> {
  const { kernels } = binding;
  const { inChannels, outChannels } = spec;
  const { plan, loadGrad, insidePtr, fromRowBytes, gradRowBytes } = of;
  const { rows, columns, bandRows } = plan.forward;
  const tilesPtr = binding.workspacePtr('tiles');
  const productsPtr = binding.workspacePtr('products');
  const sumsPtr = binding.workspacePtr('weightGrad');
  const xPlane = bandPlaneBytes(plan.forward, inChannels);
  const dyPlane = bandPlaneBytes(plan.forward, outChannels);
  return {
    weightGrad(xPtr, dyPtr, _gradPtr, accumulate) {
      loadGrad(dyPtr);
      for (let first = 0; first < rows; first += bandRows) {
        const count = Math.min(bandRows, rows - first);
        kernels.winogradInputF32(
          xPtr + 2 * first * fromRowBytes,
          fromRowBytes,
          count,
          columns,
          inChannels,
          tilesPtr,
          xPlane,
        );
        kernels.winogradOutputGradF32(
          insidePtr + 2 * first * gradRowBytes,
          gradRowBytes,
          count,
          columns,
          outChannels,
          productsPtr,
          dyPlane,
        );
        kernels.winogradGradProductsF32(
          tilesPtr,
          xPlane,
          count * columns,
          inChannels,
          productsPtr,
          dyPlane,
          outChannels,
          sumsPtr,
          plan.weightPlaneBytes,
          first > 0 ? 1 : accumulate,
        );
      }
    },
    endWeightGrad(gradPtr) {
      const length = inChannels * outChannels;
      kernels.winogradWeightGradF32(sumsPtr, plan.weightPlaneBytes, length, gradPtr);
    },
  };
}
