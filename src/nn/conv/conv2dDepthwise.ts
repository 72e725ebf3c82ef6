// Depthwise convolution: every channel has a kernel of its own, so vectors run over channels.
// Weight [KH, KW, 1, C], which is [tap][channel] in memory.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import type { Binding, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import type { ConvAxis } from './convGeometry.ts';
import { type ConvAxes, forwardSteps, paddedSize, type SamplePasses } from './convSteps.ts';

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
    ...bindInputGrad(spec, axes, binding),
  };
}

type InputGradPasses = Pick<SamplePasses, 'prepareInputGrad' | 'inputGrad'>;

/** The memory of the input gradient: a bordered sample, of dy where the gradient gathers from it,
 * else of dx, and the weights in reverse. */
export function depthwiseWorkspace(
  spec: Conv2dSpec,
  axes: ConvAxes,
): readonly WorkspaceDeclaration[] {
  const channels = spec.inChannels;
  if (!gathers(axes)) {
    const shape = [paddedSize(axes.y), paddedSize(axes.x), channels];
    return [{ name: 'paddedGrad', type: 'f32', shape, isScratch: false }];
  }
  const shape = [borderedSize(axes.y), borderedSize(axes.x), channels];
  const weight = [spec.kernel[0] * spec.kernel[1], channels];
  return [
    { name: 'paddedGrad', type: 'f32', shape, isScratch: false },
    { name: 'reversed', type: 'f32', shape: weight, isScratch: true },
  ];
}

/** Whether the input gradient is a convolution of dy itself, which reads what scattering dy over dx
 * would read and write. */
function gathers({ y, x }: ConvAxes): boolean {
  return [y, x].every((axis) => axis.stride === 1 && gradBorder(axis) >= 0);
}

/** The zeros before and behind dy. */
function gradBorder({ kernel, dilation, padding }: ConvAxis): number {
  return dilation * (kernel - 1) - padding;
}

function borderedSize(axis: ConvAxis): number {
  return axis.output + 2 * gradBorder(axis);
}

function bindInputGrad(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): InputGradPasses {
  return gathers(axes) ? bindGather(spec, axes, binding) : bindScatter(spec, axes, binding);
}

/** With the taps in reverse, so that each sum takes them in the order in which scattering does. */
function bindGather(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): InputGradPasses {
  const { kernels } = binding;
  const channels = spec.inChannels;
  const pixelBytes = channels * FLOAT_BYTES;
  const rowBytes = borderedSize(axes.x) * pixelBytes;
  const [tapsY, tapsX] = spec.kernel;
  const taps = tapsY * tapsX;
  const weightPtr = binding.parameterPtr('weight');
  const reversedPtr = binding.workspacePtr('reversed');
  const borderedPtr = binding.workspacePtr('paddedGrad');
  // The border is zero from the start and never written.
  const insidePtr = borderedPtr + gradBorder(axes.y) * rowBytes + gradBorder(axes.x) * pixelBytes;
  const dyLength = axes.x.output * channels;
  return {
    prepareInputGrad() {
      for (let tap = 0; tap < taps; tap++) {
        const toPtr = reversedPtr + (taps - 1 - tap) * pixelBytes;
        kernels.copyF32(toPtr, weightPtr + tap * pixelBytes, channels);
      }
    },
    inputGrad(dyPtr, dxPtr) {
      const dyRowBytes = dyLength * FLOAT_BYTES;
      kernels.copyRowsF32(dyPtr, dyRowBytes, insidePtr, rowBytes, axes.y.output, dyLength);
      kernels.depthwiseF32(
        borderedPtr,
        rowBytes,
        pixelBytes,
        tapsY,
        axes.y.dilation * rowBytes,
        tapsX,
        axes.x.dilation * pixelBytes,
        channels,
        reversedPtr,
        0,
        dxPtr,
        axes.y.input,
        axes.x.input,
      );
    },
  };
}

function bindScatter(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): InputGradPasses {
  const { kernels } = binding;
  const channels = spec.inChannels;
  const { rowStepBytes, pixelStepBytes, tapsY, tapStepYBytes, tapsX, tapStepXBytes } = forwardSteps(
    spec,
    axes,
  );
  const weightPtr = binding.parameterPtr('weight');
  const height = axes.y.output;
  const width = axes.x.output;
  const paddedGradPtr = binding.workspacePtr('paddedGrad');
  const paddedShape = [paddedSize(axes.y), paddedSize(axes.x), channels];
  const pixelBytes = channels * FLOAT_BYTES;
  const paddedRowBytes = paddedSize(axes.x) * pixelBytes;
  const insidePtr = paddedGradPtr + axes.y.padding * paddedRowBytes + axes.x.padding * pixelBytes;
  const rowLength = axes.x.input * channels;
  return {
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
