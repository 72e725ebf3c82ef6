// What the tools that look at or change a model's normalizations share: which leaves are
// normalizations, what they are called, and where every leaf stands.

import type { BatchRenormSpec } from '../specs/batchRenorm.ts';
import { checkDepth } from '../specs/depth.ts';
import type { FilterResponseNormSpec } from '../specs/filterResponseNorm.ts';
import type {
  BatchNormSpec,
  GroupNormSpec,
  InstanceNormSpec,
  LayerNormSpec,
} from '../specs/norms.ts';
import type { RmsNormSpec } from '../specs/rmsNorm.ts';
import { type LayerSpec, type LeafSpec, leavesOf } from '../specs/spec.ts';
import { groupsText } from './groupRule.ts';

export type NormSpec =
  | BatchNormSpec
  | BatchRenormSpec
  | FilterResponseNormSpec
  | GroupNormSpec
  | InstanceNormSpec
  | LayerNormSpec
  | RmsNormSpec;

const LEAF_KINDS: ReadonlySet<string> = new Set<NormSpec['kind']>([
  'batchNorm',
  'batchRenorm',
  'filterResponseNorm',
  'groupNorm',
  'instanceNorm',
  'layerNorm',
  'rmsNorm',
]);

/** Kinds of normalizations as tools tell them apart: batch normalizations whose statistics are
 * frozen, or over virtual batches, are kinds of their own. */
export const NORM_KINDS = [
  'batchNorm',
  'batchRenorm',
  'filterResponseNorm',
  'frozenBatchNorm',
  'groupNorm',
  'instanceNorm',
  'layerNorm',
  'rmsNorm',
  'virtualBatchNorm',
] as const;
export type NormKind = (typeof NORM_KINDS)[number];

/** Which kind a leaf is; undefined where it does not normalize. Recurrent layers are what their
 * option `norm` says. */
export function normKindOf(leaf: LeafSpec): NormKind | undefined {
  if (leaf.kind === 'rnn' || leaf.kind === 'gru') {
    return RECURRENT_KINDS[leaf.norm];
  }
  if (!isNorm(leaf)) return undefined;
  if (leaf.kind !== 'batchNorm') return leaf.kind;
  if (leaf.frozen) return 'frozenBatchNorm';
  return leaf.virtualBatch === null ? 'batchNorm' : 'virtualBatchNorm';
}

const RECURRENT_KINDS = { none: undefined, batch: 'batchNorm', layer: 'layerNorm' } as const;

/** Whether a leaf is a normalization. */
export function isNorm(leaf: LeafSpec): leaf is NormSpec {
  return LEAF_KINDS.has(leaf.kind);
}

/** The channels of a normalization, the size of its last axis. */
export function normChannels(norm: NormSpec): number {
  if (norm.kind !== 'layerNorm' && norm.kind !== 'rmsNorm') return norm.channels;
  return norm.normalizedShape[norm.normalizedShape.length - 1]!;
}

/** Whether evaluation normalizes by running statistics, and is an affine map of each channel. */
export function usesRunningStatistics(
  leaf: LeafSpec,
): leaf is BatchNormSpec | BatchRenormSpec | InstanceNormSpec {
  if (leaf.kind === 'batchRenorm') return true;
  return (leaf.kind === 'batchNorm' || leaf.kind === 'instanceNorm') && leaf.trackRunningStats;
}

/** The different normalizations of a model, for people: `batchNorm (sync)`, `groupNorm (8 groups of
 * 16 channels)`. */
export function normsOf(model: LayerSpec): readonly string[] {
  return [...new Set(leavesOf(model).filter(isNorm).map(normName))];
}

/** A normalization, for people. */
export function normName(norm: NormSpec): string {
  if (norm.kind === 'groupNorm') return `groupNorm (${groupsText(norm.numGroups, norm.channels)})`;
  if (norm.kind !== 'batchNorm' && norm.kind !== 'batchRenorm') return norm.kind;
  if (norm.kind === 'batchNorm' && norm.frozen) return 'batchNorm (frozen)';
  const { sync } = norm;
  const replicas = `sync over ${sync} ${sync === 1 ? 'replica' : 'replicas'}`;
  const scope = typeof sync === 'number' ? replicas : { all: 'sync', local: 'local' }[sync];
  const isGhost = norm.kind === 'batchNorm' && norm.virtualBatch !== null;
  const ghost = isGhost ? `, virtual batches of ${norm.virtualBatch}` : '';
  return `${norm.kind} (${scope}${ghost})`;
}

/** Where the layers stand that train by the batch statistics of each replica alone, without having
 * asked for virtual batches. */
export function localBatchNorms(model: LayerSpec): readonly string[] {
  const paths = leafPaths(model);
  return leavesOf(model).flatMap((leaf, i) => {
    const kind = normKindOf(leaf);
    const isBatch = kind === 'batchNorm' || kind === 'batchRenorm';
    return isBatch && 'sync' in leaf && leaf.sync === 'local' ? [paths[i]!] : [];
  });
}

/** Where each leaf stands, in the order in which they run: the paths of buildGraph, which needs
 * shapes. */
export function leafPaths(model: LayerSpec): readonly string[] {
  checkDepth('The model', model);
  const paths: string[] = [];
  const visit = (spec: LayerSpec, path: string): void => {
    if (spec.kind === 'sequential') {
      const prefix = path === '' ? '' : `${path}.`;
      for (const [i, layer] of spec.layers.entries()) {
        visit(layer, `${prefix}${layer.kind === 'sequential' ? i : `${i}.${layer.kind}`}`);
      }
      return;
    }
    const ownPath = path === '' ? spec.kind : path;
    if (spec.kind !== 'residual') {
      paths.push(ownPath);
      return;
    }
    visit(spec.body, `${ownPath}.body`);
    if (spec.shortcut !== null) visit(spec.shortcut, `${ownPath}.shortcut`);
  };
  visit(model, '');
  return paths;
}
