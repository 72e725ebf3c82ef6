// The parametric ReLU (He et al. 2015): leakyRelu with a trained slope, or one for each channel.
// The slopes' gradient is summed in float64 over each grain, and folded as that of a bias is.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../../base/bytes.ts';
import { UsageError } from '../../base/errors.ts';
import { channelsOf, type Shape, showShape, sizeOf, sizesDiffer } from '../../base/shape.ts';
import type { PreluSpec } from '../specs/activations.ts';
import type { Binding, BoundLayer, LayerKind } from './layer.ts';
import { TORCH_VECTOR } from './torchForm.ts';

export const preluKind: LayerKind<PreluSpec> = {
  kind: 'prelu',
  // Backward needs the sign of the input, which the output may lack if a slope is negative.
  keeps: { input: true, output: false },
  outputShape: (spec, input, path) => checkChannels(spec.numParameters, input, path),
  parameters: ({ numParameters, init }) => [
    {
      name: 'weight',
      shape: [numParameters],
      role: 'bias',
      torch: TORCH_VECTOR,
      init: { kind: 'constant', value: init },
    },
  ],
  workspace: ({ numParameters }, input) =>
    isShared(numParameters, input)
      ? [{ name: 'sums', type: 'f64', shape: [channelsOf(input)], lifetime: 'pass' }]
      : [],
  bind(spec, binding): BoundLayer {
    const { step, input, output } = binding;
    const size = sizeOf(input.shape);
    const passes = isShared(spec.numParameters, input.shape)
      ? bindShared(binding)
      : bindChannels(binding);
    const backwardWeight = bindWeightGradient(spec, binding);
    return {
      forward: () => passes.forward(step.countSamples * size),
      backward() {
        backwardWeight();
        if (input.gradPtr === 0) return;
        passes.backward(output.gradPtr, input.gradPtr, step.countSamples * size);
      },
    };
  },
};

/** The two passes over n elements. */
interface Passes {
  forward(n: number): void;
  backward(dyPtr: number, dxPtr: number, n: number): void;
}

/** Whether several channels share one slope. */
function isShared(numParameters: number, input: Shape): boolean {
  return numParameters === 1 && channelsOf(input) > 1;
}

function checkChannels(numParameters: number, input: Shape, path: string): Shape {
  if (numParameters === 1 || !sizesDiffer(channelsOf(input), numParameters)) return input;
  throw new UsageError({
    what: `input of ${path}`,
    given: showShape(input),
    allowed: `a shape with ${numParameters} channels last`,
    hint: `numParameters ${channelsOf(input)}, or 1 for one slope shared by all channels`,
  });
}

/** leakyRelu's kernels: backward they take the sign from the input. */
function bindShared(binding: Binding): Passes {
  const { kernels, memory, input, output } = binding;
  const slope = new Float32Array(memory.buffer, binding.parameterPtr('weight'), 1);
  return {
    forward: (n) => kernels.leakyReluF32(input.ptr, output.ptr, n, slope[0]!),
    backward: (dyPtr, dxPtr, n) => kernels.leakyReluGradF32(dyPtr, input.ptr, dxPtr, n, slope[0]!),
  };
}

function bindChannels(binding: Binding): Passes {
  const { kernels, input, output } = binding;
  const channels = channelsOf(input.shape);
  const slopesPtr = binding.parameterPtr('weight');
  return {
    forward: (n) => kernels.preluF32(input.ptr, output.ptr, n / channels, channels, slopesPtr),
    backward: (dyPtr, dxPtr, n) =>
      kernels.preluGradF32(dyPtr, input.ptr, dxPtr, n / channels, channels, slopesPtr),
  };
}

/** Returns a function that sums the gradient of the slopes over each grain and folds it. It does
 * nothing if they are frozen. */
function bindWeightGradient({ numParameters }: PreluSpec, binding: Binding): () => void {
  const { kernels, memory, step, input, output } = binding;
  const sink = binding.gradient('weight');
  if (sink === undefined) return () => {};
  const channels = channelsOf(input.shape);
  const size = sizeOf(input.shape);
  const rowsPerSample = size / channels;
  const sumOf = (grain: number, sumsPtr: number): void => {
    const start = step.grainStart[grain]!;
    const rows = (step.grainStart[grain + 1]! - start) * rowsPerSample;
    const at = start * size * FLOAT_BYTES;
    kernels.preluSlopeSumsF32(output.gradPtr + at, input.ptr + at, rows, channels, sumsPtr);
  };
  if (!isShared(numParameters, input.shape)) {
    return () => {
      for (let grain = 0; grain < binding.countGrains; grain++) {
        sumOf(grain, sink.leafPtr(grain));
        sink.fold(grain);
      }
    };
  }
  const sumsPtr = binding.workspacePtr('sums');
  const doubles = new Float64Array(memory.buffer);
  const first = sumsPtr / DOUBLE_BYTES;
  return () => {
    for (let grain = 0; grain < binding.countGrains; grain++) {
      sumOf(grain, sumsPtr);
      const leaf = sink.leafPtr(grain) / DOUBLE_BYTES;
      doubles[leaf] = 0;
      for (let channel = 0; channel < channels; channel++) {
        doubles[leaf]! += doubles[first + channel]!;
      }
      sink.fold(grain);
    }
  };
}
