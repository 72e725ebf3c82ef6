// Has all convolutions of a model computed directly, for those who want the smaller rounding errors
// everywhere. Makes specs only; which convolutions it changes in effect, their shapes say.

import { parseModel } from '../models/parse.ts';
import { type LayerSpec, mapLeaves } from '../specs/spec.ts';

/** The same model with `algorithm: 'direct'` in each convolution: none uses Winograd's, so that all
 * have the rounding errors of plain sums. A step takes longer, that of `resnet20` twice as long. */
export function directConvolutions(given: LayerSpec): LayerSpec {
  const model = parseModel(given, 'model of directConvolutions');
  return mapLeaves(model, (leaf) =>
    'algorithm' in leaf ? { ...leaf, algorithm: 'direct' } : leaf,
  );
}
