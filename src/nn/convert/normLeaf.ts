// Shared by the tools that inspect or change a model's normalizations: which leaves are
// normalizations, and their traits.

import { kindOf } from '../graph/kinds.ts';
import type { NormKind, PureNormTraits } from '../layers/normTraits.ts';
import type { BatchRenormSpec } from '../specs/batchRenorm.ts';
import type { FilterResponseNormSpec } from '../specs/filterResponseNorm.ts';
import type {
  BatchNormSpec,
  GroupNormSpec,
  InstanceNormSpec,
  LayerNormSpec,
} from '../specs/norms.ts';
import type { RmsNormSpec } from '../specs/rmsNorm.ts';
import { eachLeaf, type LayerSpec, type LeafSpec, leavesOf } from '../specs/spec.ts';

export type NormSpec =
  | BatchNormSpec
  | BatchRenormSpec
  | FilterResponseNormSpec
  | GroupNormSpec
  | InstanceNormSpec
  | LayerNormSpec
  | RmsNormSpec;

/** The kind of normalization that a leaf is, or undefined if it does not normalize. For recurrent
 * layers the option `norm` decides. */
export function normKindOf(leaf: LeafSpec): NormKind | undefined {
  const { norm, innerNorm } = kindOf(leaf);
  return (norm ?? innerNorm)?.normKind(leaf);
}

/** Whether a leaf is a normalization. */
export function isNorm(leaf: LeafSpec): leaf is NormSpec {
  return kindOf(leaf).norm !== undefined;
}

/** The traits of a normalization. */
export function traitsOf(norm: NormSpec): PureNormTraits<NormSpec> {
  return kindOf(norm).norm as unknown as PureNormTraits<NormSpec>;
}

/** The channels of a normalization, the size of its last axis. */
export function normChannels(norm: NormSpec): number {
  return traitsOf(norm).channels(norm);
}

/** Whether evaluation normalizes by running statistics, which makes it an affine map of each
 * channel. */
export function usesRunningStatistics(
  leaf: LeafSpec,
): leaf is BatchNormSpec | BatchRenormSpec | InstanceNormSpec {
  return isNorm(leaf) && traitsOf(leaf).usesRunningStatistics?.(leaf) === true;
}

/** The distinct normalizations of a model, in words: `batchNorm (sync)`,
 * `groupNorm (8 groups of 16 channels)`. */
export function normsOf(model: LayerSpec): readonly string[] {
  return [...new Set(leavesOf(model).filter(isNorm).map(normName))];
}

/** Describes a normalization in words. */
export function normName(norm: NormSpec): string {
  return traitsOf(norm).describe(norm);
}

/** The paths of the layers that train by the batch statistics of each replica alone without
 * requesting virtual batches. */
export function localBatchNorms(model: LayerSpec): readonly string[] {
  const paths: string[] = [];
  eachLeaf(model, (leaf, path) => {
    const kind = normKindOf(leaf);
    if ('statistics' in leaf && leaf.statistics === 'running') return;
    const isBatch = kind === 'batchNorm' || kind === 'batchRenorm';
    if (isBatch && 'sync' in leaf && leaf.sync === 'local') paths.push(path);
  });
  return paths;
}
