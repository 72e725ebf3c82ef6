// What flatten does. The output is an alias of the input, values and gradients, which storage
// planning sees to; there is nothing to compute.

import { type Shape, sizeOf } from '../../base/shape.ts';
import type { FlattenSpec } from '../specs/flatten.ts';
import type { BoundLayer, LayerKind } from './layer.ts';

const nothing: BoundLayer = { forward() {}, backward() {} };

export const flattenKind: LayerKind<FlattenSpec> = {
  kind: 'flatten',
  isAlias: true,
  keeps: { input: false, output: false },
  outputShape: (_spec, input): Shape => [sizeOf(input)],
  bind: () => nothing,
};
