// Flatten: an image [H, W, C] becomes the vector [H * W * C], in memory order. Channels last is the
// order, so a linear layer after it has other rows than PyTorch's, where channels come first.

import { layerForm } from './form.ts';

/** A flatten as plain data. */
export interface FlattenSpec {
  /** The kind of layer. */
  readonly kind: 'flatten';
}

/** All axes of a sample as one.
 *
 * @example
 * nn.flatten() // [7, 7, 16] -> [784]
 */
export function flatten(): FlattenSpec {
  return { kind: 'flatten' };
}

export const flattenForm = layerForm('flatten', {}, () => flatten());
