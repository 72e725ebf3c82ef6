// Convolution of planes of a few pixels, for all of a worker's samples at once: each block of
// weights is packed, used for every sample while it is in the cache, and then discarded. Each
// position only uses the taps inside the plane, so no zeros are multiplied.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import type { Binding, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { type ConvAxis, type Reach, reachOfInputs, reachOfOutputs } from './convGeometry.ts';
import { type ConvAxes, type ConvPasses, PANEL_ROW_BYTES, panelCount } from './convSteps.ts';
import { blockOfRows } from './weightBlocks.ts';

/** With more pixels, one sample fills the register tiles, and few taps are outside the plane. */
const MOST_PIXELS = 4;
/** The size of the packed weights; little else is read beside them. */
const BLOCK_BYTES = 640 * 1024;

/** Whether a convolution uses this algorithm: it has no groups and at most 4 output pixels. */
export function isPlanes({ groups }: Conv2dSpec, { y, x }: ConvAxes): boolean {
  return groups === 1 && y.output * x.output <= MOST_PIXELS;
}

/** The memory that the passes need: the panels of a block. */
export function planesWorkspace(spec: Conv2dSpec): readonly WorkspaceDeclaration[] {
  const { forward, inputGrad } = blocksOf(spec);
  const bytes = Math.max(
    forward.panelBytes * forward.panels,
    inputGrad.panelBytes * inputGrad.panels,
  );
  return [{ name: 'panels', type: 'f32', shape: [bytes / FLOAT_BYTES], lifetime: 'pass' }];
}

/** Binds the passes except the weight gradient. Requires {@link isPlanes}. */
export function bindPlanes(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
  dxBiasPtr: number,
): Omit<ConvPasses, 'weightGrads'> {
  const { kernels, input, output } = binding;
  const { inChannels, outChannels, kernel } = spec;
  const panelsPtr = binding.workspacePtr('panels');
  const weightPtr = binding.parameterPtr('weight');
  const rowBytes = outChannels * FLOAT_BYTES;
  const taps = sizeOf(kernel);
  const blocks = blocksOf(spec);
  const x = sideOf(axes.y.input, axes.x.input, inChannels);
  const y = sideOf(axes.y.output, axes.x.output, outChannels);
  const biasPtr = spec.bias ? binding.parameterPtr('bias') : 0;
  const forward = bindPieces(binding, x, y, {
    ...{ block: blocks.forward, biasPtr, panelsPtr, kernelWidth: kernel[1] },
    pieces: piecesOf(axes, reachOfOutputs),
    pack(from, count) {
      const ptr = weightPtr + from * FLOAT_BYTES;
      kernels.packPanelsF32(ptr, rowBytes, taps * inChannels, count, panelsPtr);
    },
  });
  const inputGrad = bindPieces(binding, y, x, {
    ...{ block: blocks.inputGrad, biasPtr: dxBiasPtr, panelsPtr, kernelWidth: kernel[1] },
    pieces: piecesOf(axes, reachOfInputs),
    pack(from, count) {
      for (let tap = 0; tap < taps; tap++) {
        kernels.packTransposedPanelsF32(
          weightPtr + (tap * inChannels + from) * rowBytes,
          rowBytes,
          outChannels,
          count,
          panelsPtr + tap * outChannels * PANEL_ROW_BYTES,
          blocks.inputGrad.panelBytes,
        );
      }
    },
  });
  return {
    forward: (countSamples) => forward(input.ptr, output.ptr, countSamples),
    inputGrad: (countSamples) => inputGrad(output.gradPtr, input.gradPtr, countSamples),
  };
}

/** Channels that are packed at once. */
interface Block {
  readonly channels: number;
  readonly panels: number;
  readonly panelBytes: number;
}

function blocksOf(spec: Conv2dSpec): { readonly forward: Block; readonly inputGrad: Block } {
  const { inChannels, outChannels } = spec;
  const block = (from: number, to: number): Block => {
    const rows = sizeOf(spec.kernel) * from;
    const channels = blockOfRows(rows, to, BLOCK_BYTES);
    return { channels, panels: panelCount(channels), panelBytes: rows * PANEL_ROW_BYTES };
  };
  return { forward: block(inChannels, outChannels), inputGrad: block(outChannels, inChannels) };
}

/** One side of a convolution. */
interface Side {
  readonly channels: number;
  readonly pixelBytes: number;
  readonly rowBytes: number;
  readonly sampleBytes: number;
}

function sideOf(height: number, width: number, channels: number): Side {
  const pixelBytes = channels * FLOAT_BYTES;
  const rowBytes = width * pixelBytes;
  return { channels, pixelBytes, rowBytes, sampleBytes: height * rowBytes };
}

/** Positions of a row that take the same taps. */
interface Piece {
  readonly y: Reach;
  readonly x: Reach;
}

function piecesOf(axes: ConvAxes, reachOf: (axis: ConvAxis) => readonly Reach[]): readonly Piece[] {
  const columns = reachOf(axes.x);
  const rows = reachOf(axes.y).flatMap((reach) =>
    Array.from({ length: reach.count }, (_, i) => ({
      ...reach,
      to: reach.to + i,
      from: reach.from + i * reach.fromStep,
      count: 1,
    })),
  );
  return rows.flatMap((y) => columns.map((x) => ({ y, x })));
}

interface Passes {
  readonly block: Block;
  readonly pieces: readonly Piece[];
  readonly panelsPtr: number;
  readonly kernelWidth: number;
  /** 0 for none. */
  readonly biasPtr: number;
  /** Writes the panels of `count` channels to `panelsPtr`. */
  pack(from: number, count: number): void;
}

/** Binds a convolution from one side to the other, which works block by block and, within a block,
 * piece by piece. */
function bindPieces(
  { kernels }: Binding,
  from: Side,
  to: Side,
  { block, pieces, panelsPtr, kernelWidth, biasPtr, pack }: Passes,
): (fromPtr: number, toPtr: number, countSamples: number) => void {
  const tapBytes = from.channels * PANEL_ROW_BYTES;
  const calls = pieces.map(({ y, x }) => {
    // Taps that are adjacent in both form one segment.
    const isOne = x.tapStep === 1 && x.inputStep === 1;
    return {
      fromBytes: y.from * from.rowBytes + x.from * from.pixelBytes,
      toBytes: y.to * to.rowBytes + x.to * to.pixelBytes,
      panelsBytes: (y.tap * kernelWidth + x.tap) * tapBytes,
      fromStep: x.fromStep * from.pixelBytes,
      tapsY: x.taps === 0 ? 0 : y.taps,
      inputStepY: y.inputStep * from.rowBytes,
      panelStepY: y.tapStep * kernelWidth * tapBytes,
      tapsX: isOne ? 1 : x.taps,
      inputStepX: isOne ? x.taps * from.pixelBytes : x.inputStep * from.pixelBytes,
      panelStepX: isOne ? x.taps * tapBytes : x.tapStep * tapBytes,
      segment: isOne ? x.taps * from.channels : from.channels,
      width: x.count,
    };
  });
  return (fromPtr, toPtr, countSamples) => {
    for (let channel = 0; channel < to.channels; channel += block.channels) {
      const count = Math.min(block.channels, to.channels - channel);
      const channelBytes = channel * FLOAT_BYTES;
      pack(channel, count);
      for (const call of calls) {
        kernels.convSomeTapsF32(
          fromPtr + call.fromBytes,
          from.sampleBytes,
          call.fromStep,
          call.tapsY,
          call.inputStepY,
          call.tapsX,
          call.inputStepX,
          call.segment,
          panelsPtr + call.panelsBytes,
          block.panelBytes,
          call.panelStepY,
          call.panelStepX,
          biasPtr === 0 ? 0 : biasPtr + channelBytes,
          toPtr + call.toBytes + channelBytes,
          to.sampleBytes,
          to.pixelBytes,
          countSamples,
          call.width,
          count,
        );
      }
    }
  };
}
