// Implements the adaptive pools. See kernels/abi/adaptivePool.ts for the bins.

import { channelsOf, type Shape } from '../../base/shape.ts';
import { checkImage } from '../layers/checkImage.ts';
import type { BoundLayer, LayerKind } from '../layers/layer.ts';
import type { AdaptiveAvgPoolSpec, AdaptiveMaxPoolSpec } from '../specs/adaptivePools.ts';

function outputShape(
  { size }: AdaptiveAvgPoolSpec | AdaptiveMaxPoolSpec,
  input: Shape,
  path: string,
): Shape {
  checkImage(input, path);
  return [...size, channelsOf(input)];
}

export const adaptiveAvgPoolKind: LayerKind<AdaptiveAvgPoolSpec> = {
  kind: 'adaptiveAvgPool',
  keeps: { input: false, output: false },
  outputShape,
  bind({ size: [outHeight, outWidth] }, { kernels, step, input, output }): BoundLayer {
    const [height, width, channels] = input.shape as readonly [number, number, number];
    const run = (kernel: typeof kernels.adaptiveAvgPool2dF32, from: number, to: number): void =>
      kernel(from, to, step.countSamples, height, width, channels, outHeight, outWidth);
    return {
      forward: () => run(kernels.adaptiveAvgPool2dF32, input.ptr, output.ptr),
      backward() {
        if (input.gradPtr === 0) return;
        run(kernels.adaptiveAvgPool2dGradF32, output.gradPtr, input.gradPtr);
      },
    };
  },
};

export const adaptiveMaxPoolKind: LayerKind<AdaptiveMaxPoolSpec> = {
  kind: 'adaptiveMaxPool',
  // The backward pass only needs the positions of the maxima.
  keeps: { input: false, output: false },
  outputShape,
  workspace: (spec, input, { capacity }) => [
    { name: 'index', type: 'i32', shape: [capacity, ...outputShape(spec, input, spec.kind)] },
  ],
  bind({ size: [outHeight, outWidth] }, binding): BoundLayer {
    const { kernels, step, input, output } = binding;
    const [height, width, channels] = input.shape as readonly [number, number, number];
    const indexPtr = binding.workspacePtr('index');
    return {
      forward() {
        kernels.adaptiveMaxPool2dF32(
          input.ptr,
          output.ptr,
          indexPtr,
          step.countSamples,
          height,
          width,
          channels,
          outHeight,
          outWidth,
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
