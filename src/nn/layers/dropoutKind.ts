// Dropout (Srivastava et al. 2014), inverted as in PyTorch: in training each element is dropped
// with probability p and the others are scaled by 1 / (1 - p); in evaluation the layer is the
// identity. The mask is recomputed in backward from (seed, layer, step, sample in the global batch,
// element), so it does not depend on workers or replicas, and nothing is saved.

import { Purpose } from '../../base/random.ts';
import { sizeOf } from '../../base/shape.ts';
import type { DropoutSpec } from '../specs/dropout.ts';
import type { Binding, BoundLayer, LayerKind } from './layer.ts';

const TWO_TO_32 = 2 ** 32;
/** The layer index is in the bits above those that purposes use. */
const LAYER_SHIFT = 8;

/** The second key word of a layer's random numbers; the first is the lower half of the seed. With
 * it, `RandomStream.reset(seed, key, step, sample)` gives the words that decide which of a
 * sample's elements are dropped. */
export function dropoutKey(layerIndex: number): number {
  return Purpose.dropout | (layerIndex << LAYER_SHIFT);
}

/** An element is kept iff its random word is at least this: p * 2^32, a whole number below 2^32. */
export function dropoutThreshold(p: number): number {
  return Math.min(Math.ceil(p * TWO_TO_32), TWO_TO_32 - 1);
}

export const dropoutKind: LayerKind<DropoutSpec> = {
  kind: 'dropout',
  keeps: { input: false, output: false },
  outputShape: (_spec, input) => input,
  bind: bindDropout,
};

/** Binds a function that drops elements of the step's samples, `size` each, with probability p. The
 * linear map is the same forward and backward. */
export function bindDrops(
  p: number,
  binding: Binding,
  size: number,
): (fromPtr: number, toPtr: number) => void {
  const { kernels, step } = binding;
  const threshold = dropoutThreshold(p);
  const scale = 1 / (1 - p);
  const seedLow = binding.seed | 0;
  const seedHigh = Math.floor(binding.seed / TWO_TO_32);
  const key = dropoutKey(binding.index);
  return (fromPtr, toPtr) =>
    kernels.dropoutF32(
      fromPtr,
      toPtr,
      step.countSamples,
      size,
      threshold,
      scale,
      step.firstSample,
      step.step,
      seedLow,
      seedHigh,
      key,
    );
}

function bindDropout(spec: DropoutSpec, binding: Binding): BoundLayer {
  const { kernels, step, input, output } = binding;
  const size = sizeOf(input.shape);
  const drop = bindDrops(spec.p, binding, size);
  return {
    forward() {
      if (step.training) drop(input.ptr, output.ptr);
      else kernels.copyF32(output.ptr, input.ptr, step.countSamples * size);
    },
    backward() {
      if (input.gradPtr !== 0) drop(output.gradPtr, input.gradPtr);
    },
  };
}
