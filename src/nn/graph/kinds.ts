// The table of all layer kinds, and the lookup from a spec to the kind that runs it.

import { UsageError } from '../../base/errors.ts';
import { adaptiveAvgPoolKind, adaptiveMaxPoolKind } from '../conv/adaptivePoolKinds.ts';
import { conv2dKind } from '../conv/conv2dKind.ts';
import { convTranspose2dKind } from '../conv/convTranspose2dKind.ts';
import { linearKind } from '../conv/linearKind.ts';
import {
  avgPoolKind,
  globalAvgPoolKind,
  globalMaxPoolKind,
  maxPoolKind,
} from '../conv/poolKinds.ts';
import { avgPool1dKind, conv1dKind, maxPool1dKind } from '../conv/sequenceKinds.ts';
import { padKind, sliceKind } from '../images/borderKinds.ts';
import { upsampleKind } from '../images/upsampleKind.ts';
import { activationKinds } from '../layers/activationKinds.ts';
import { flattenKind, reshapeKind } from '../layers/aliasKinds.ts';
import { customKindOf } from '../layers/customKind.ts';
import { dropoutKind } from '../layers/dropoutKind.ts';
import { dropout2dKind, dropPathKind } from '../layers/dropWholeKinds.ts';
import type { LayerKind } from '../layers/layer.ts';
import { preluKind } from '../layers/preluKind.ts';
import { softmaxKind } from '../layers/softmaxKind.ts';
import { batchRenormKind } from '../norms/batchRenormKind.ts';
import { filterResponseNormKind } from '../norms/filterResponseNormKind.ts';
import {
  batchNormKind,
  groupNormKind,
  instanceNormKind,
  layerNormKind,
} from '../norms/normKinds.ts';
import { rmsNormKind } from '../norms/rmsNormKind.ts';
import { gruKind, lstmKind, rnnKind } from '../recurrent/recurrentKinds.ts';
import type { LeafSpec } from '../specs/spec.ts';

const kinds = [
  ...activationKinds,
  adaptiveAvgPoolKind,
  adaptiveMaxPoolKind,
  avgPool1dKind,
  avgPoolKind,
  batchNormKind,
  batchRenormKind,
  conv1dKind,
  conv2dKind,
  convTranspose2dKind,
  dropout2dKind,
  dropoutKind,
  dropPathKind,
  filterResponseNormKind,
  flattenKind,
  globalAvgPoolKind,
  globalMaxPoolKind,
  groupNormKind,
  gruKind,
  instanceNormKind,
  layerNormKind,
  linearKind,
  lstmKind,
  maxPool1dKind,
  maxPoolKind,
  padKind,
  preluKind,
  reshapeKind,
  rmsNormKind,
  rnnKind,
  sliceKind,
  softmaxKind,
  upsampleKind,
];

// A kind only receives specs with its name, which the types of the table cannot express.
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
