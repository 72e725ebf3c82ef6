// How the convolutions of a model are computed: has all of them computed directly, which rounds
// less, and tells what they ask for. Makes specs only.

import { parseModel } from '../models/parse.ts';
import type { ConvAlgorithm } from '../specs/conv2d.ts';
import { type LayerSpec, leavesOf, mapLeaves } from '../specs/spec.ts';

/** The same model with `algorithm: 'direct'` in each convolution: none uses Winograd's, so that all
 * have the rounding errors of plain sums. A step takes longer, that of `resnet20` twice as long.
 *
 * @example
 * nn.directConvolutions(nn.conv2d(16, 16, { kernel: 3 })) // [32, 32, 16] -> [30, 30, 16]
 */
export function directConvolutions(given: LayerSpec): LayerSpec {
  const model = parseModel(given, 'model of directConvolutions');
  return mapLeaves(model, (leaf) =>
    'algorithm' in leaf ? { ...leaf, algorithm: 'direct' } : leaf,
  );
}

/** The algorithms that the convolutions of a model ask for, each once. */
export function convAlgorithmsOf(model: LayerSpec): readonly ConvAlgorithm[] {
  const asked = leavesOf(model).flatMap((leaf) => ('algorithm' in leaf ? [leaf.algorithm] : []));
  return [...new Set(asked)];
}
