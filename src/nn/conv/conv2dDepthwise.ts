// Depthwise convolution: every channel has a kernel of its own, so vectors run over channels.
// Weight [KH, KW, 1, C], which is [tap][channel] in memory.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import type { Binding } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import type { SamplePasses } from './convSteps.ts';
import { type ConvAxes, forwardSteps, paddedSize } from './convSteps.ts';

export function bindDepthwise(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): SamplePasses {
  const { kernels } = binding;
  const channels = spec.inChannels;
  const { rowStepBytes, pixelStepBytes, tapsY, tapStepYBytes, tapsX, tapStepXBytes } = forwardSteps(
    spec,
    axes,
  );
  const weightPtr = binding.parameterPtr('weight');
  const biasPtr = spec.bias ? binding.parameterPtr('bias') : 0;
  const height = axes.y.output;
  const width = axes.x.output;
  const paddedGradPtr = binding.workspacePtr('paddedGrad');
  const paddedShape = [paddedSize(axes.y), paddedSize(axes.x), channels];
  const pixelBytes = channels * FLOAT_BYTES;
  const paddedRowBytes = paddedSize(axes.x) * pixelBytes;
  const insidePtr = paddedGradPtr + axes.y.padding * paddedRowBytes + axes.x.padding * pixelBytes;
  const rowLength = axes.x.input * channels;
  return {
    prepare() {},
    forward(xPtr, yPtr) {
      kernels.depthwiseF32(
        xPtr,
        rowStepBytes,
        pixelStepBytes,
        tapsY,
        tapStepYBytes,
        tapsX,
        tapStepXBytes,
        channels,
        weightPtr,
        biasPtr,
        yPtr,
        height,
        width,
      );
    },
    weightGrad(xPtr, dyPtr, gradPtr, accumulate) {
      kernels.depthwiseWeightGradF32(
        xPtr,
        rowStepBytes,
        pixelStepBytes,
        tapsY,
        tapStepYBytes,
        tapsX,
        tapStepXBytes,
        channels,
        dyPtr,
        height,
        width,
        gradPtr,
        accumulate,
      );
    },
    prepareInputGrad() {},
    inputGrad(dyPtr, dxPtr) {
      kernels.zeroBytes(paddedGradPtr, sizeOf(paddedShape) * FLOAT_BYTES);
      kernels.depthwiseInputGradF32(
        paddedGradPtr,
        rowStepBytes,
        pixelStepBytes,
        tapsY,
        tapStepYBytes,
        tapsX,
        tapStepXBytes,
        channels,
        weightPtr,
        dyPtr,
        height,
        width,
      );
      const toRowBytes = rowLength * FLOAT_BYTES;
      const rows = axes.y.input;
      kernels.copyRowsF32(insidePtr, paddedRowBytes, dxPtr, toRowBytes, rows, rowLength);
    },
  };
}
