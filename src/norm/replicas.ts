// The backward pass of normalizations that look at one sample alone: the parameters' gradients are
// summed sample by sample within a replica, then folded over replicas.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { NormGradient, NormSetup } from './setup.ts';

/** A float64 gradient of `length` elements. */
export interface LeafGradient {
  readonly gradient: NormGradient;
  readonly length: number;
}

/** The gradients that there are. */
export function leafGradients(
  length: number,
  gradients: readonly (NormGradient | undefined)[],
): readonly LeafGradient[] {
  return gradients.flatMap((gradient) => (gradient === undefined ? [] : [{ gradient, length }]));
}

/** Runs over the samples replica by replica: the leaves start at zero, `addSample` adds to them,
 * and then they are folded, also those of replicas without samples. */
export function sumReplicas(
  setup: Pick<NormSetup, 'kernels' | 'shards' | 'countLocalReplicas'>,
  leaves: readonly LeafGradient[],
  addSample: (sample: number) => void,
): void {
  const { kernels, shards } = setup;
  for (let replica = 0; replica < setup.countLocalReplicas; replica++) {
    for (const { gradient, length } of leaves) {
      kernels.zeroBytes(gradient.leafPtr, length * DOUBLE_BYTES);
    }
    const end = shards.replicaStart[replica + 1]!;
    for (let sample = shards.replicaStart[replica]!; sample < end; sample++) addSample(sample);
    for (const { gradient } of leaves) gradient.fold(replica);
  }
}
