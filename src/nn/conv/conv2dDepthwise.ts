// Depthwise convolution: every channel has a kernel of its own, so vectors run over channels.
// Weight [KH, KW, 1, C], which is [tap][channel] in memory.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import type { Binding, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import type { ConvAxis } from './convGeometry.ts';
import { type ConvAxes, forwardSteps, paddedSize, type SamplePasses } from './convSteps.ts';

export function bindDepthwise(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
  dxBiasPtr: number,
): SamplePasses {
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
    ...bindInputGrad(spec, axes, binding, dxBiasPtr),
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
  return [y, x].every((axis) => {
    return axis.stride === 1 && zerosBefore(axis) >= 0 && borderedSize(axis) >= dyEnd(axis);
  });
}

/** The zeros before dy. */
function zerosBefore({ kernel, dilation, before }: ConvAxis): number {
  return dilation * (kernel - 1) - before;
}

/** Where dy ends among its zeros. */
function dyEnd(axis: ConvAxis): number {
  return zerosBefore(axis) + axis.output;
}

/** What all taps of all positions of dx reach. */
function borderedSize({ input, kernel, dilation }: ConvAxis): number {
  return input + dilation * (kernel - 1);
}

function bindInputGrad(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
  dxBiasPtr: number,
): InputGradPasses {
  const bind = gathers(axes) ? bindGather : bindScatter;
  return bind(spec, axes, binding, dxBiasPtr);
}

/** With the taps in reverse, so that each sum takes them in the order in which scattering does. */
function bindGather(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
  dxBiasPtr: number,
): InputGradPasses {
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
  const insidePtr = borderedPtr + zerosBefore(axes.y) * rowBytes + zerosBefore(axes.x) * pixelBytes;
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
        dxBiasPtr,
        dxPtr,
        axes.y.input,
        axes.x.input,
      );
    },
  };
}

function bindScatter(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
  dxBiasPtr: number,
): InputGradPasses {
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
  const insidePtr = paddedGradPtr + axes.y.before * paddedRowBytes + axes.x.before * pixelBytes;
  const rowLength = axes.x.input * channels;
  const paddedLength = sizeOf(paddedShape);
  const startSums = (): void => {
    if (dxBiasPtr === 0) {
      kernels.zeroBytes(paddedGradPtr, paddedLength * FLOAT_BYTES);
      return;
    }
    // All pixels are like the first one: what is filled doubles.
    kernels.copyF32(paddedGradPtr, dxBiasPtr, channels);
    for (let filled = channels; filled < paddedLength; filled *= 2) {
      const toPtr = paddedGradPtr + filled * FLOAT_BYTES;
      kernels.copyF32(toPtr, paddedGradPtr, Math.min(filled, paddedLength - filled));
    }
  };
  return {
    prepareInputGrad() {},
    inputGrad(dyPtr, dxPtr) {
      startSums();
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
