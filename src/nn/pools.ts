// Pooling over images [H, W, C]: maximum, average, and the average over all pixels. Conventions are
// PyTorch's (MaxPool2d, AvgPool2d; sizes rounded down); see kernels/abi/pool.ts for ties, NaN and
// padding.

import { UsageError } from '../base/errors.ts';
import { optionsSchema, parseOptions } from '../base/parse.ts';
import { channelsOf, type Shape, showShape } from '../base/shape.ts';
import { convOutputSize } from './convGeometry.ts';
import type { Binding, BoundLayer, LayerKind } from './layer.ts';
import { optionalFlag, type Pair, type PairOption, pairOf, toPair } from './options.ts';

/** Where a pool looks. */
export interface PoolWindow {
  /** [height, width], as are the two below. */
  readonly kernel: Pair;
  readonly stride: Pair;
  /** Positions outside the image on each side. */
  readonly padding: Pair;
}

export interface MaxPoolSpec extends PoolWindow {
  readonly kind: 'maxPool';
}

export interface AvgPoolSpec extends PoolWindow {
  readonly kind: 'avgPool';
  /** Whether the padding's zeros count in the divisor. */
  readonly countIncludePad: boolean;
}

/** [H, W, C] to [C]. */
export interface GlobalAvgPoolSpec {
  readonly kind: 'globalAvgPool';
}

export interface MaxPoolOptions {
  /** Window size; a number stands for both axes. */
  readonly kernel: PairOption;
  /** Distance of windows; default: the kernel size. */
  readonly stride?: PairOption;
  /** Positions outside the image on each side, at most half the kernel; default 0. */
  readonly padding?: PairOption;
}

export interface AvgPoolOptions extends MaxPoolOptions {
  /** Whether the padding's zeros count in the divisor; default true, as in PyTorch. */
  readonly countIncludePad?: boolean;
}

const windowOptions = {
  kernel: pairOf(1),
  stride: pairOf(1).exactOptional(),
  padding: pairOf(0).exactOptional(),
};
export const maxPoolSchema = optionsSchema<MaxPoolOptions>()(windowOptions);
export const avgPoolSchema = optionsSchema<AvgPoolOptions>()({
  ...windowOptions,
  countIncludePad: optionalFlag,
});

/** The maximum of each window. Throws a {@link UsageError} for sizes that make no window. */
export function maxPool(options: MaxPoolOptions): MaxPoolSpec {
  const example = 'maxPool({ kernel: 2 })';
  const given = parseOptions('maxPool', maxPoolSchema, options, { example });
  return { kind: 'maxPool', ...checkWindow('maxPool', given) };
}

/** The mean of each window. Throws a {@link UsageError} for sizes that make no window. */
export function avgPool(options: AvgPoolOptions): AvgPoolSpec {
  const example = 'avgPool({ kernel: 2 })';
  const given = parseOptions('avgPool', avgPoolSchema, options, { example });
  const { countIncludePad = true } = given;
  return { kind: 'avgPool', ...checkWindow('avgPool', given), countIncludePad };
}

/** The mean over all pixels of each channel: [H, W, C] to [C]. */
export function globalAvgPool(): GlobalAvgPoolSpec {
  return { kind: 'globalAvgPool' };
}

function checkWindow(name: string, options: MaxPoolOptions): PoolWindow {
  const kernel = toPair(options.kernel);
  const stride = toPair(options.stride ?? kernel);
  const padding = toPair(options.padding ?? 0);
  if (2 * padding[0] > kernel[0] || 2 * padding[1] > kernel[1]) {
    throw new UsageError({
      what: `${name} padding`,
      given: padding,
      allowed: `at most half the kernel ${showShape(kernel)}`,
      hint: 'a larger kernel, so that every window meets the image',
    });
  }
  return { kernel, stride, padding };
}

/** The output shape, or a {@link UsageError} that names the layer, its input and its window. */
function windowOutput(window: PoolWindow, input: Shape, path: string): Shape {
  checkImage(input, path);
  const { kernel, stride, padding } = window;
  const outputOf = (i: 0 | 1): number =>
    convOutputSize({
      input: input[i]!,
      kernel: kernel[i],
      stride: stride[i],
      padding: padding[i],
      dilation: 1,
    });
  const [height, width] = [outputOf(0), outputOf(1)];
  if (height < 1 || width < 1) {
    throw new UsageError({
      what: `input of ${path}`,
      given: showShape(input),
      allowed: `at least its kernel ${showShape(kernel)}, padding ${showShape(padding)} counted`,
      hint: 'a smaller kernel, or fewer layers that shrink the image',
    });
  }
  return [height, width, channelsOf(input)];
}

function checkImage(input: Shape, path: string): void {
  if (input.length === 3) return;
  throw new UsageError({
    what: `input of ${path}`,
    given: showShape(input),
    allowed: 'an image, height x width x channels',
    hint: 'this layer before flatten, linear or globalAvgPool',
  });
}

/** The sizes that the pool kernels take, by name. */
function poolSizes(window: PoolWindow, input: Shape, output: Shape) {
  const [height, width, channels] = input as readonly [number, number, number];
  const [outHeight, outWidth] = output as readonly [number, number, number];
  const [kernelHeight, kernelWidth] = window.kernel;
  const [strideHeight, strideWidth] = window.stride;
  const [padHeight, padWidth] = window.padding;
  return {
    ...{ height, width, channels, outHeight, outWidth },
    ...{ kernelHeight, kernelWidth, strideHeight, strideWidth, padHeight, padWidth },
  };
}

export const maxPoolKind: LayerKind<MaxPoolSpec> = {
  kind: 'maxPool',
  // The backward pass needs only where the maxima were.
  keeps: { input: false, output: false },
  outputShape: windowOutput,
  parameters: () => [],
  buffers: () => [],
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
  parameters: () => [],
  buffers: () => [],
  workspace: () => [],
  bind: bindAvgPool,
};

function bindAvgPool(spec: AvgPoolSpec, binding: Binding): BoundLayer {
  const { kernels, step, input, output } = binding;
  const sizes = poolSizes(spec, input.shape, output.shape);
  const { height, width, channels, outHeight, outWidth } = sizes;
  const { kernelHeight, kernelWidth, strideHeight, strideWidth, padHeight, padWidth } = sizes;
  const includePad = spec.countIncludePad ? 1 : 0;
  return {
    forward() {
      kernels.avgPool2dF32(
        input.ptr,
        output.ptr,
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
    },
    backward() {
      if (input.gradPtr === 0) return;
      kernels.avgPool2dGradF32(
        output.gradPtr,
        input.gradPtr,
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
    },
  };
}

export const globalAvgPoolKind: LayerKind<GlobalAvgPoolSpec> = {
  kind: 'globalAvgPool',
  keeps: { input: false, output: false },
  outputShape(_spec, input, path): Shape {
    checkImage(input, path);
    return [channelsOf(input)];
  },
  parameters: () => [],
  buffers: () => [],
  workspace: () => [],
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
