// Flatten: an image [H, W, C] becomes the vector [H * W * C], in memory order. Channels last is the
// order, so a linear layer behind it has other rows than PyTorch's, where channels come first. The
// output is an alias of the input, values and gradients, which storage planning sees to; there is
// nothing to compute.

import { type Shape, sizeOf } from '../base/shape.ts';
import type { BoundLayer, LayerKind } from './layer.ts';

export interface FlattenSpec {
  readonly kind: 'flatten';
}

/** All axes of a sample as one. */
export function flatten(): FlattenSpec {
  return { kind: 'flatten' };
}

const nothing: BoundLayer = { forward() {}, backward() {} };

export const flattenKind: LayerKind<FlattenSpec> = {
  kind: 'flatten',
  keeps: { input: false, output: false },
  outputShape: (_spec, input): Shape => [sizeOf(input)],
  parameters: () => [],
  buffers: () => [],
  workspace: () => [],
  bind: () => nothing,
};
