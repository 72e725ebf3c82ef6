// Reshape: the elements of a sample with other axes, in memory order, such as an image [28, 28, 1]
// as a sequence [28, 28].

import { UsageError } from '../../base/errors.ts';
import type { Shape } from '../../base/shape.ts';
import { layerForm, sizes } from './form.ts';
import { checkCount } from './options.ts';

/** A reshape as plain data. */
export interface ReshapeSpec {
  /** The kind of layer. */
  readonly kind: 'reshape';
  /** Sizes of a sample, outermost first. */
  readonly shape: Shape;
}

/** Gives a sample this shape, without the sample axis, and keeps its elements in memory order
 * (channels last). Throws a {@link UsageError} if the input has a different number of elements.
 *
 * @example
 * nn.reshape([28, 28]) // [784] -> [28, 28] */
export function reshape(shape: Shape): ReshapeSpec {
  if (!Array.isArray(shape) || shape.length === 0) {
    throw new UsageError({
      what: 'reshape shape',
      given: shape,
      allowed: 'the sizes of a sample, without the sample axis',
      hint: 'reshape([28, 28]) for images of 28x28x1',
    });
  }
  for (const size of shape) checkCount('reshape shape', size);
  return { kind: 'reshape', shape: [...shape] };
}

export const reshapeForm = layerForm('reshape', { shape: sizes }, ({ shape }) => reshape(shape));
