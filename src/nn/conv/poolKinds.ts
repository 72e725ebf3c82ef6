// Implements the pools of images [H, W, C], over windows or over all pixels. See
// kernels/abi/pool.ts for ties, NaN and padding.

import { UsageError } from '../../base/errors.ts';
import { channelsOf, type Shape, showShape } from '../../base/shape.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import { checkImage } from '../layers/checkImage.ts';
import type { Binding, BoundLayer, LayerKind } from '../layers/layer.ts';
import type {
  AvgPoolSpec,
  GlobalAvgPoolSpec,
  GlobalMaxPoolSpec,
  MaxPoolSpec,
  PoolWindow,
} from '../specs/pools.ts';
import { axisOf } from './convGeometry.ts';

/** The output shape, or a {@link UsageError} that names the layer, its input and its window. */
function windowOutput(window: PoolWindow, input: Shape, path: string): Shape {
  checkImage(input, path);
  const [y, x] = [axisOf(window, input, 0), axisOf(window, input, 1)];
  const [height, width] = [y.output, x.output];
  if (height < 1 || width < 1) {
    const least = [y, x].map((axis) => axis.kernel - axis.before - axis.after);
    throw new UsageError({
      what: `input of ${path}`,
      given: showShape(input),
      allowed: `at least ${showShape(least)}, its kernel less the padding`,
      hint: 'a smaller kernel, or fewer layers that shrink the image',
    });
  }
  return [height, width, channelsOf(input)];
}

/** The sizes that the pool kernels take, by name. */
function poolSizes(window: PoolWindow, input: Shape, output: Shape) {
  const [height, width, channels] = input as readonly [number, number, number];
  const [outHeight, outWidth] = output as readonly [number, number, number];
  const [kernelHeight, kernelWidth] = window.kernel;
  const [strideHeight, strideWidth] = window.stride;
  // The size of the output determines where windows end.
  const padHeight = axisOf(window, input, 0).before;
  const padWidth = axisOf(window, input, 1).before;
  return {
    ...{ height, width, channels, outHeight, outWidth },
    ...{ kernelHeight, kernelWidth, strideHeight, strideWidth, padHeight, padWidth },
  };
}

export const maxPoolKind: LayerKind<MaxPoolSpec> = {
  kind: 'maxPool',
  // The backward pass only needs the positions of the maxima.
  keeps: { input: false, output: false },
  outputShape: windowOutput,
  workspace: (spec, input, { capacity }) => [
    { name: 'index', type: 'i32', shape: [capacity, ...windowOutput(spec, input, spec.kind)] },
  ],
  bind(spec, binding): BoundLayer {
    const { kernels, step, input, output } = binding;
    const sizes = poolSizes(spec, input.shape, output.shape);
    const { height, width, channels, outHeight, outWidth } = sizes;
    const { kernelHeight, kernelWidth, strideHeight, strideWidth, padHeight, padWidth } = sizes;
    const indexPtr = binding.workspacePtr('index');
    return {
      forward() {
        kernels.maxPool2dF32(
          input.ptr,
          output.ptr,
          indexPtr,
          step.countSamples,
          height,
          width,
          channels,
          outHeight,
          outWidth,
          kernelHeight,
          kernelWidth,
          strideHeight,
          strideWidth,
          padHeight,
          padWidth,
        );
      },
      backward() {
        if (input.gradPtr === 0) return;
        kernels.maxPool2dGradF32(
          output.gradPtr,
          indexPtr,
          input.gradPtr,
          step.countSamples,
          height * width,
          outHeight * outWidth,
          channels,
        );
      },
    };
  },
};

export const avgPoolKind: LayerKind<AvgPoolSpec> = {
  kind: 'avgPool',
  keeps: { input: false, output: false },
  outputShape: windowOutput,
  bind: bindAvgPool,
};

function bindAvgPool(spec: AvgPoolSpec, binding: Binding): BoundLayer {
  const { kernels, step, input, output } = binding;
  const sizes = poolSizes(spec, input.shape, output.shape);
  const { height, width, channels, outHeight, outWidth } = sizes;
  const { kernelHeight, kernelWidth, strideHeight, strideWidth, padHeight, padWidth } = sizes;
  const includePad = spec.countIncludePad ? 1 : 0;
  const run = (kernel: KernelExports['avgPool2dF32'], fromPtr: number, toPtr: number): void =>
    kernel(
      fromPtr,
      toPtr,
      step.countSamples,
      height,
      width,
      channels,
      outHeight,
      outWidth,
      kernelHeight,
      kernelWidth,
      strideHeight,
      strideWidth,
      padHeight,
      padWidth,
      includePad,
    );
  return {
    forward: () => run(kernels.avgPool2dF32, input.ptr, output.ptr),
    backward() {
      if (input.gradPtr !== 0) run(kernels.avgPool2dGradF32, output.gradPtr, input.gradPtr);
    },
  };
}

/** A window the size of the image. */
function wholeWindow([height, width]: Shape): MaxPoolSpec {
  const kernel = [height!, width!] as const;
  return { kind: 'maxPool', kernel, stride: kernel, padding: [0, 0] };
}

export const globalMaxPoolKind: LayerKind<GlobalMaxPoolSpec> = {
  kind: 'globalMaxPool',
  keeps: maxPoolKind.keeps,
  outputShape: channelShape,
  workspace: (_spec, input, size) => maxPoolKind.workspace!(wholeWindow(input), input, size),
  bind(_spec, binding): BoundLayer {
    const { input, output } = binding;
    const pixel = { ...output, shape: [1, 1, ...output.shape] };
    return maxPoolKind.bind(wholeWindow(input.shape), { ...binding, output: pixel });
  },
};

function channelShape(_spec: unknown, input: Shape, path: string): Shape {
  checkImage(input, path);
  return [channelsOf(input)];
}

export const globalAvgPoolKind: LayerKind<GlobalAvgPoolSpec> = {
  kind: 'globalAvgPool',
  keeps: { input: false, output: false },
  outputShape: channelShape,
  bind(_spec, { kernels, step, input, output }): BoundLayer {
    const channels = channelsOf(input.shape);
    const pixels = input.shape[0]! * input.shape[1]!;
    return {
      forward() {
        kernels.globalAvgPoolF32(input.ptr, output.ptr, step.countSamples, pixels, channels);
      },
      backward() {
        const { gradPtr } = input;
        if (gradPtr === 0) return;
        kernels.globalAvgPoolGradF32(output.gradPtr, gradPtr, step.countSamples, pixels, channels);
      },
    };
  },
};
