// The softmax over the last axis: exp(x) over its sum. The math is in kernels/abi/softmax.ts.

import { alignUp } from '../../base/bytes.ts';
import { channelsOf, sizeOf } from '../../base/shape.ts';
import type { SoftmaxSpec } from '../specs/activations.ts';
import type { BoundLayer, LayerKind } from './layer.ts';

/** Elements of a SIMD vector; the kernel writes whole vectors. */
const LANES = 4;

export const softmaxKind: LayerKind<SoftmaxSpec> = {
  kind: 'softmax',
  keeps: { input: false, output: true },
  outputShape: (_spec, input) => input,
  workspace: (_spec, input) => [
    {
      name: 'exponentials',
      type: 'f64',
      shape: [alignUp(channelsOf(input), LANES)],
      lifetime: 'pass',
    },
  ],
  bind(_spec, binding): BoundLayer {
    const { kernels, step, input, output } = binding;
    const columns = channelsOf(input.shape);
    const rows = sizeOf(input.shape) / columns;
    const scratchPtr = binding.workspacePtr('exponentials');
    return {
      forward() {
        kernels.softmaxF32(input.ptr, output.ptr, step.countSamples * rows, columns, scratchPtr);
      },
      backward() {
        if (input.gradPtr === 0) return;
        const count = step.countSamples * rows;
        kernels.softmaxGradF32(output.gradPtr, output.ptr, input.gradPtr, count, columns);
      },
    };
  },
};
