// Pooling of images [H, W, C] to a given size, PyTorch's AdaptiveAvgPool2d and AdaptiveMaxPool2d:
// specs and builders, checked. The implementation is in adaptivePoolKinds.ts.

import { parseData } from '../../base/parse.ts';
import { type LayerForm, layerForm } from './form.ts';
import { type Pair, type PairOption, pairOf, toPair } from './options.ts';

/** An adaptive average pool as plain data. */
export interface AdaptiveAvgPoolSpec {
  /** The kind of layer. */
  readonly kind: 'adaptiveAvgPool';
  /** The size of the output, [height, width]. */
  readonly size: Pair;
}

/** An adaptive maximum pool as plain data. */
export interface AdaptiveMaxPoolSpec {
  /** The kind of layer. */
  readonly kind: 'adaptiveMaxPool';
  /** The size of the output, [height, width]. */
  readonly size: Pair;
}

const sizePair = pairOf(1);

/** The means of as many bins as the output has pixels, for images of any size. A number stands for
 * both axes. Along an axis, output o averages the inputs from floor(o inputs / outputs) up to but
 * not including ceil((o + 1) inputs / outputs). Throws a {@link UsageError} for sizes below 1.
 *
 * @example
 * nn.adaptiveAvgPool(4) // [9, 7, 8] -> [4, 4, 8] */
export function adaptiveAvgPool(size: PairOption): AdaptiveAvgPoolSpec {
  return { kind: 'adaptiveAvgPool', size: checked('adaptiveAvgPool size', size) };
}

/** The maxima of the bins of `adaptiveAvgPool`. Throws as that does.
 *
 * @example
 * nn.adaptiveMaxPool([2, 3]) // [9, 7, 8] -> [2, 3, 8] */
export function adaptiveMaxPool(size: PairOption): AdaptiveMaxPoolSpec {
  return { kind: 'adaptiveMaxPool', size: checked('adaptiveMaxPool size', size) };
}

function checked(what: string, size: PairOption): Pair {
  return toPair(parseData(sizePair, size, what));
}

export const adaptivePoolForms: readonly LayerForm<AdaptiveAvgPoolSpec | AdaptiveMaxPoolSpec>[] = [
  layerForm('adaptiveAvgPool', { size: sizePair }, ({ size }) => adaptiveAvgPool(size)),
  layerForm('adaptiveMaxPool', { size: sizePair }, ({ size }) => adaptiveMaxPool(size)),
];
