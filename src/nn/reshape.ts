// Reshape: the elements of a sample under other axes, in memory order: an image [28, 28, 1] as a
// sequence [28, 28]. As with flatten the output is an alias of the input, values and gradients,
// which storage planning sees to; there is nothing to compute.

import { UsageError } from '../base/errors.ts';
import { type Shape, showShape, sizeOf, sizesDiffer } from '../base/shape.ts';
import type { BoundLayer, LayerKind } from './layer.ts';
import { checkCount } from './options.ts';

export interface ReshapeSpec {
  readonly kind: 'reshape';
  readonly shape: Shape;
}

/** A sample's elements, in memory order (channels last), as a tensor of this shape; the sample axis
 * is not part of it. Throws a {@link UsageError} where the input has another number of elements. */
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

const nothing: BoundLayer = { forward() {}, backward() {} };

export const reshapeKind: LayerKind<ReshapeSpec> = {
  kind: 'reshape',
  keeps: { input: false, output: false },
  outputShape({ shape }, input, path): Shape {
    if (!sizesDiffer(sizeOf(input), sizeOf(shape))) return shape;
    throw new UsageError({
      what: `input of ${path}`,
      given: `${showShape(input)} (${sizeOf(input)} elements)`,
      allowed: `${sizeOf(shape)} elements, as ${showShape(shape)} has`,
    });
  },
  parameters: () => [],
  buffers: () => [],
  workspace: () => [],
  bind: () => nothing,
};
