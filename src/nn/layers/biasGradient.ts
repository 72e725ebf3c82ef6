// The gradient of a bias, a sum over rows, for all layers that have one.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { channelsOf, sizeOf } from '../../base/shape.ts';
import type { Binding } from './layer.ts';

/** Returns a function that writes the gradient of `bias`, the sum of dy over each grain's rows, and
 * folds it. It does nothing if the bias is frozen. A sample of the output has `rowsPerSample`
 * rows, with one channel for each element of the bias. */
export function bindBiasGradient(binding: Binding, rowsPerSample: number): () => void {
  const { kernels, step, output } = binding;
  const sink = binding.gradient('bias');
  if (sink === undefined) return () => {};
  const channels = channelsOf(output.shape);
  const sampleBytes = sizeOf(output.shape) * FLOAT_BYTES;
  return () => {
    for (let grain = 0; grain < binding.countGrains; grain++) {
      const start = step.grainStart[grain]!;
      const rows = (step.grainStart[grain + 1]! - start) * rowsPerSample;
      const dyPtr = output.gradPtr + start * sampleBytes;
      kernels.columnSumsF32(dyPtr, rows, channels, sink.leafPtr(grain));
      sink.fold(grain);
    }
  };
}
