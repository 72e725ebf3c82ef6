// Gradients that several layers share: that of a bias, which is a sum over rows.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { channelsOf, sizeOf } from '../../base/shape.ts';
import type { Binding } from './layer.ts';

/** Returns what writes the gradient of `bias`, the sum of dy over each grain's rows, and folds it;
 * does nothing where the bias is frozen. A sample of the output has `rowsPerSample` rows of as many
 * channels as the bias has elements. */
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
