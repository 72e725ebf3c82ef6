// Implements flatten and reshape. The output is an alias of the input, values and gradients, which
// storage planning takes care of; there is nothing to compute.

import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape, sizeOf, sizesDiffer } from '../../base/shape.ts';
import type { FlattenSpec } from '../specs/flatten.ts';
import type { ReshapeSpec } from '../specs/reshape.ts';
import type { BoundLayer, LayerKind } from './layer.ts';

const nothing: BoundLayer = { forward() {}, backward() {} };

export const flattenKind: LayerKind<FlattenSpec> = {
  kind: 'flatten',
  isAlias: true,
  torchOrder: { flattens: true },
  keeps: { input: false, output: false },
  outputShape: (_spec, input): Shape => [sizeOf(input)],
  bind: () => nothing,
};

export const reshapeKind: LayerKind<ReshapeSpec> = {
  kind: 'reshape',
  isAlias: true,
  keeps: { input: false, output: false },
  outputShape({ shape }, input, path): Shape {
    if (!sizesDiffer(sizeOf(input), sizeOf(shape))) return shape;
    throw new UsageError({
      what: `input of ${path}`,
      given: `${showShape(input)} (${sizeOf(input)} elements)`,
      allowed: `${sizeOf(shape)} elements, as ${showShape(shape)} has`,
    });
  },
  bind: () => nothing,
};
