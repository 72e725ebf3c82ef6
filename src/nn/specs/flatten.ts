// Flatten: an image [H, W, C] becomes the vector [H * W * C], in memory order. Channels are last,
// so the rows of a following linear layer are in another order than in PyTorch, which has channels
// first.

import { layerForm } from './form.ts';

/** A flatten as plain data. */
export interface FlattenSpec {
  /** The kind of layer. */
  readonly kind: 'flatten';
}

/** Merges all axes of a sample into one.
 *
 * @example
 * nn.flatten() // [7, 7, 16] -> [784] */
export function flatten(): FlattenSpec {
  return { kind: 'flatten' };
}

export const flattenForm = layerForm('flatten', {}, () => flatten());
