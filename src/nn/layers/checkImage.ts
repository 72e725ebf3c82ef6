// The input check of image layers.

import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape } from '../../base/shape.ts';

/** Throws a UsageError that names the layer if the input is not an image; `hint` says what to try
 * instead. */
export function checkImage(
  input: Shape,
  path: string,
  hint = 'this layer before flatten, linear or globalAvgPool',
): void {
  if (input.length === 3) return;
  throw new UsageError({
    what: `input of ${path}`,
    given: showShape(input),
    allowed: 'an image, height x width x channels',
    hint,
  });
}
