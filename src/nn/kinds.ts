// From a spec to the layer kind that runs it. The one place that knows all kinds.

import { UsageError } from '../base/errors.ts';
import { geluKind, leakyReluKind, reluKind, sigmoidKind, tanhKind } from './activationKinds.ts';
import { batchRenormKind } from './batchRenormKind.ts';
import { conv2dKind } from './conv2dKind.ts';
import { customKindOf } from './custom.ts';
import { dropoutKind } from './dropoutKind.ts';
import { filterResponseNormKind } from './filterResponseNormKind.ts';
import { flattenKind } from './flattenKind.ts';
import type { LayerKind } from './layer.ts';
import { linearKind } from './linearKind.ts';
import { batchNormKind, groupNormKind, instanceNormKind, layerNormKind } from './normKinds.ts';
import { avgPoolKind, globalAvgPoolKind, maxPoolKind } from './poolKinds.ts';
import { gruKind, rnnKind } from './recurrentKinds.ts';
import { reshapeKind } from './reshapeKind.ts';
import { rmsNormKind } from './rmsNormKind.ts';
import type { LeafSpec } from './spec.ts';

const kinds = [
  avgPoolKind,
  batchNormKind,
  batchRenormKind,
  conv2dKind,
  dropoutKind,
  filterResponseNormKind,
  flattenKind,
  geluKind,
  globalAvgPoolKind,
  groupNormKind,
  gruKind,
  instanceNormKind,
  layerNormKind,
  leakyReluKind,
  linearKind,
  maxPoolKind,
  reluKind,
  reshapeKind,
  rmsNormKind,
  rnnKind,
  sigmoidKind,
  tanhKind,
];

// A kind only ever receives specs of its own name, which the table cannot express in types.
const table = new Map(kinds.map((kind) => [kind.kind, kind as unknown as LayerKind<LeafSpec>]));

/** The kind of a leaf. Throws a {@link UsageError} for a name that no layer has. */
export function kindOf(spec: LeafSpec): LayerKind<LeafSpec> {
  if (spec.kind === 'custom') return customKindOf(spec) as unknown as LayerKind<LeafSpec>;
  const kind = table.get(spec.kind);
  if (kind !== undefined) return kind;
  throw new UsageError({
    what: 'kind of layer',
    given: (spec as { kind?: unknown }).kind,
    allowed: [...table.keys(), 'custom', 'residual', 'sequential'].join(', '),
  });
}
