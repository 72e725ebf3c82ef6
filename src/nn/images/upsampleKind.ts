// Implements upsampling. Formulas: kernels/abi/upsample.ts.

import { channelsOf, type Shape } from '../../base/shape.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import { checkImage } from '../layers/checkImage.ts';
import type { BoundLayer, LayerKind } from '../layers/layer.ts';
import type { UpsampleSpec } from '../specs/upsample.ts';

export const upsampleKind: LayerKind<UpsampleSpec> = {
  kind: 'upsample',
  keeps: { input: false, output: false },
  outputShape({ scale, size }, input, path): Shape {
    checkImage(input, path);
    const along = (i: 0 | 1): number => size?.[i] ?? input[i]! * (scale?.[i] ?? 1);
    return [along(0), along(1), channelsOf(input)];
  },
  bind({ mode, alignCorners }, { kernels, step, input, output }): BoundLayer {
    const [height, width, channels] = input.shape as readonly [number, number, number];
    const [outHeight, outWidth] = output.shape as readonly [number, number, number];
    const aligned = alignCorners ? 1 : 0;
    // `nearest` has no `alignCorners` and ignores it.
    const run = (kernel: KernelExports['upsampleBilinearF32'], from: number, to: number): void =>
      kernel(from, to, step.countSamples, height, width, channels, outHeight, outWidth, aligned);
    const isNearest = mode === 'nearest';
    const forward = isNearest ? kernels.upsampleNearestF32 : kernels.upsampleBilinearF32;
    const gradient = isNearest ? kernels.upsampleNearestGradF32 : kernels.upsampleBilinearGradF32;
    return {
      forward: () => run(forward, input.ptr, output.ptr),
      backward() {
        if (input.gradPtr !== 0) run(gradient, output.gradPtr, input.gradPtr);
      },
    };
  },
};
