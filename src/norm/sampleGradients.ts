// The backward pass of normalizations over single samples: the parameters' gradients are summed
// sample by sample within a grain, then folded over grains.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';
import type { NormSetup } from './setup.ts';

/** A float64 gradient of `length` elements. */
export interface LeafGradient {
  readonly gradient: GradientSink;
  readonly length: number;
}

/** The gradients of the parameters that train. */
export function leafGradients(
  length: number,
  gradients: readonly (GradientSink | undefined)[],
): readonly LeafGradient[] {
  return gradients.flatMap((gradient) => (gradient === undefined ? [] : [{ gradient, length }]));
}

/** Runs over the samples grain by grain: leaves start at zero, `addSample` adds to the grain's
 * leaves, and then they are folded, even for grains without samples. */
export function sumGrains(
  setup: Pick<NormSetup, 'kernels' | 'step' | 'countGrains'>,
  leaves: readonly LeafGradient[],
  addSample: (sample: number, grain: number) => void,
): void {
  const { kernels, step } = setup;
  for (let grain = 0; grain < setup.countGrains; grain++) {
    for (const { gradient, length } of leaves) {
      kernels.zeroBytes(gradient.leafPtr(grain), length * DOUBLE_BYTES);
    }
    const end = step.grainStart[grain + 1]!;
    for (let sample = step.grainStart[grain]!; sample < end; sample++) addSample(sample, grain);
    for (const { gradient } of leaves) gradient.fold(grain);
  }
}
