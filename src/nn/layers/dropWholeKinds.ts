// Dropout of whole channels (dropout2d) and whole samples (dropPath, the `row` mode of
// torchvision's stochastic depth). The scale of a channel or sample is what dropout would do to a
// single element in its place, so bits depend on the same things as dropout's.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { channelsOf, sizeOf } from '../../base/shape.ts';
import type { Dropout2dSpec, DropPathSpec } from '../specs/dropout.ts';
import { checkImage } from './checkImage.ts';
import { bindDrops } from './dropoutKind.ts';
import type { Binding, BoundLayer, LayerKind, WorkspaceDeclaration } from './layer.ts';

export const dropout2dKind: LayerKind<Dropout2dSpec> = {
  kind: 'dropout2d',
  keeps: { input: false, output: false },
  outputShape(_spec, input, path) {
    checkImage(input, path, 'dropout, which drops elements of any shape');
    return input;
  },
  workspace: (_spec, input, { capacity }) => [scales(capacity, channelsOf(input))],
  bind({ p }, binding) {
    const { kernels, step, input } = binding;
    const channels = channelsOf(input.shape);
    const rows = sizeOf(input.shape) / channels;
    const scalesPtr = binding.workspacePtr('scales');
    return bindWhole(p, binding, channels, (fromPtr, toPtr) => {
      for (let sample = 0; sample < step.countSamples; sample++) {
        const at = sample * channels * FLOAT_BYTES;
        const from = fromPtr + at * rows;
        kernels.dropColumnsF32(from, toPtr + at * rows, rows, channels, scalesPtr + at);
      }
    });
  },
};

export const dropPathKind: LayerKind<DropPathSpec> = {
  kind: 'dropPath',
  keeps: { input: false, output: false },
  outputShape: (_spec, input) => input,
  workspace: (_spec, _input, { capacity }) => [scales(capacity, 1)],
  bind({ p }, binding) {
    const { kernels, step, input } = binding;
    const size = sizeOf(input.shape);
    const scalesPtr = binding.workspacePtr('scales');
    return bindWhole(p, binding, 1, (fromPtr, toPtr) =>
      kernels.dropRowsF32(fromPtr, toPtr, step.countSamples, size, scalesPtr),
    );
  },
};

/** The scale of each part of a sample, drawn in forward and read again in backward. */
function scales(capacity: number, parts: number): WorkspaceDeclaration {
  return { name: 'scales', type: 'f32', shape: [capacity, parts] };
}

/** Binds dropout of whole parts; `apply` multiplies the parts of each sample by their scales. */
function bindWhole(
  p: number,
  binding: Binding,
  parts: number,
  apply: (fromPtr: number, toPtr: number) => void,
): BoundLayer {
  const { kernels, memory, step, input, output } = binding;
  const size = sizeOf(input.shape);
  const scalesPtr = binding.workspacePtr('scales');
  const ones = new Float32Array(memory.buffer, scalesPtr, binding.capacity * parts);
  const draw = bindDrops(p, binding, parts);
  return {
    forward() {
      if (!step.training) {
        kernels.copyF32(output.ptr, input.ptr, step.countSamples * size);
        return;
      }
      ones.fill(1);
      draw(scalesPtr, scalesPtr);
      apply(input.ptr, output.ptr);
    },
    backward() {
      if (input.gradPtr !== 0) apply(output.gradPtr, input.gradPtr);
    },
  };
}
