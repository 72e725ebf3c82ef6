// How the convolutions of a model are computed: makes all of them direct, which rounds less, and
// lists the algorithms that they request. Only makes specs.

import { parseModel } from '../models/parse.ts';
import type { ConvAlgorithm } from '../specs/conv2d.ts';
import { type LayerSpec, leavesOf, mapLeaves } from '../specs/spec.ts';

/** Returns the same model with `algorithm: 'direct'` in each convolution: none uses Winograd, so
 * all have the rounding errors of plain sums. A step takes longer: twice as long for `resnet20`.
 *
 * @example
 * nn.directConvolutions(nn.conv2d(16, 16, { kernel: 3 })) // [32, 32, 16] -> [30, 30, 16] */
export function directConvolutions(given: LayerSpec): LayerSpec {
  const model = parseModel(given, 'model of directConvolutions');
  return mapLeaves(model, (leaf) =>
    'algorithm' in leaf ? { ...leaf, algorithm: 'direct' } : leaf,
  );
}

/** The distinct algorithms that the convolutions of a model request. */
export function convAlgorithmsOf(model: LayerSpec): readonly ConvAlgorithm[] {
  const asked = leavesOf(model).flatMap((leaf) => ('algorithm' in leaf ? [leaf.algorithm] : []));
  return [...new Set(asked)];
}
