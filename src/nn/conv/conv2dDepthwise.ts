// Depthwise convolution: each channel has its own kernel, so vectors run over channels. Weight
// [KH, KW, 1, C], which is [tap][channel] in memory; kernels take it sixteen channels at a time.
// The input gradient is also a convolution: dy, with zeros around and between its pixels, is
// convolved with the taps in reverse, so that each sum follows the order of dy.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { Binding, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import type { ConvAxis } from './convGeometry.ts';
import { type ConvAxes, paddedSize, type SamplePasses } from './convSteps.ts';

const PLANE_CHANNELS = 16;
const PLANE_PIXEL_BYTES = PLANE_CHANNELS * FLOAT_BYTES;
/** The number of taps for which the weight gradient keeps sums beside a plane
 * (kernels/abi/depthwise.ts). */
const SUMMED_TAPS = 9;

/** One axis of a convolution through a plane. */
interface PlaneAxis {
  /** The source pixels that are copied start at `first`. */
  readonly first: number;
  readonly count: number;
  /** Where the first pixel is copied to, and the step to the next one. */
  readonly inside: number;
  readonly spread: number;
  readonly size: number;
  readonly stride: number;
  readonly taps: number;
  readonly dilation: number;
}

function forwardAxis(axis: ConvAxis): PlaneAxis {
  const { input, kernel, stride, before, dilation } = axis;
  const place = { first: 0, count: input, inside: before, spread: 1, size: paddedSize(axis) };
  return { ...place, stride, taps: kernel, dilation };
}

function inputGradAxis(axis: ConvAxis): PlaneAxis {
  const { input, output, kernel, stride, dilation } = axis;
  const size = input + dilation * (kernel - 1);
  const before = dilation * (kernel - 1) - axis.before;
  // If the padding exceeds the reach of the taps, the first and last elements of dy depend on no
  // input.
  const first = Math.ceil(Math.max(0, -before) / stride);
  const end = Math.min(output, Math.ceil((size - before) / stride));
  const place = { first, count: end - first, inside: before + first * stride, spread: stride };
  return { ...place, size, stride: 1, taps: kernel, dilation };
}

/** The arguments that follow the source in the kernels: `ptr` and its plane. */
function planeArguments(y: PlaneAxis, x: PlaneAxis, width: number, channels: number, ptr: number) {
  const rowBytes = x.size * PLANE_PIXEL_BYTES;
  return [
    width * channels * FLOAT_BYTES,
    y.count,
    x.count,
    channels,
    ptr,
    ptr + y.inside * rowBytes + x.inside * PLANE_PIXEL_BYTES,
    y.spread * rowBytes,
    x.spread * PLANE_PIXEL_BYTES,
    y.stride * rowBytes,
    x.stride * PLANE_PIXEL_BYTES,
    y.taps,
    y.dilation * rowBytes,
    x.taps,
    x.dilation * PLANE_PIXEL_BYTES,
  ] as const;
}

/** The planes of the input and of dy, weights in blocks of channels, and sums. */
export function depthwiseWorkspace(
  spec: Conv2dSpec,
  { y, x }: ConvAxes,
): readonly WorkspaceDeclaration[] {
  const padded = [paddedSize(y), paddedSize(x), PLANE_CHANNELS];
  const paddedGrad = [inputGradAxis(y).size, inputGradAxis(x).size, PLANE_CHANNELS];
  const blocks = Math.ceil(spec.inChannels / PLANE_CHANNELS);
  const weight = [blocks, spec.kernel[0] * spec.kernel[1], PLANE_CHANNELS];
  const sums = [SUMMED_TAPS, PLANE_CHANNELS];
  return [
    { name: 'padded', type: 'f32', shape: padded, lifetime: 'run' },
    { name: 'paddedGrad', type: 'f32', shape: paddedGrad, lifetime: 'run' },
    { name: 'weightBlocks', type: 'f32', shape: weight, lifetime: 'pass' },
    { name: 'tapSums', type: 'f32', shape: sums, lifetime: 'pass' },
  ];
}

/** Binds the passes of one sample; pixels of dx start from the values at `dxBiasPtr`, or from 0 if
 * it is 0. */
export function bindDepthwise(
  spec: Conv2dSpec,
  { y, x }: ConvAxes,
  binding: Binding,
  dxBiasPtr: number,
): SamplePasses {
  const { kernels } = binding;
  const channels = spec.inChannels;
  const pixelBytes = channels * FLOAT_BYTES;
  const lastTap = spec.kernel[0] * spec.kernel[1] - 1;
  const weightPtr = binding.parameterPtr('weight');
  const biasPtr = spec.bias ? binding.parameterPtr('bias') : 0;
  const blocksPtr = binding.workspacePtr('weightBlocks');
  const sumsPtr = binding.workspacePtr('tapSums');
  const paddedPtr = binding.workspacePtr('padded');
  const ofInput = planeArguments(forwardAxis(y), forwardAxis(x), x.input, channels, paddedPtr);
  const [gradY, gradX] = [inputGradAxis(y), inputGradAxis(x)];
  const gradPtr = binding.workspacePtr('paddedGrad');
  const ofGrad = planeArguments(gradY, gradX, x.output, channels, gradPtr);
  const gradOffsetBytes = (gradY.first * x.output + gradX.first) * pixelBytes;
  const blockWeights = (firstPtr: number, stepBytes: number): void => {
    for (let first = 0; first < channels; first += PLANE_CHANNELS) {
      const fromPtr = firstPtr + first * FLOAT_BYTES;
      const toPtr = blocksPtr + first * (lastTap + 1) * FLOAT_BYTES;
      const length = Math.min(PLANE_CHANNELS, channels - first);
      kernels.copyRowsF32(fromPtr, stepBytes, toPtr, PLANE_PIXEL_BYTES, lastTap + 1, length);
    }
  };
  return {
    prepare() {
      blockWeights(weightPtr, pixelBytes);
    },
    forward(xPtr, yPtr) {
      kernels.depthwiseF32(xPtr, ...ofInput, blocksPtr, biasPtr, yPtr, y.output, x.output);
    },
    weightGrads: [
      {
        range: { offset: 0, length: (lastTap + 1) * channels },
        run(xPtr, dyPtr, toPtr, accumulate) {
          const sums = [sumsPtr, dyPtr, y.output, x.output, toPtr, accumulate] as const;
          kernels.depthwiseWeightGradF32(xPtr, ...ofInput, ...sums);
        },
      },
    ],
    prepareInputGrad() {
      blockWeights(weightPtr + lastTap * pixelBytes, -pixelBytes);
    },
    inputGrad(dyPtr, dxPtr) {
      const fromPtr = dyPtr + gradOffsetBytes;
      kernels.depthwiseF32(fromPtr, ...ofGrad, blocksPtr, dxBiasPtr, dxPtr, y.input, x.input);
    },
  };
}
