// What the tools that look at or change a model's normalizations share: which leaves are
// normalizations, and what they tell of themselves.

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

/** Which kind a leaf is; undefined where it does not normalize. Recurrent layers are what their
 * option `norm` says. */
export function normKindOf(leaf: LeafSpec): NormKind | undefined {
  const { norm, innerNorm } = kindOf(leaf);
  return (norm ?? innerNorm)?.normKind(leaf);
}

/** Whether a leaf is a normalization. */
export function isNorm(leaf: LeafSpec): leaf is NormSpec {
  return kindOf(leaf).norm !== undefined;
}

/** What a normalization tells of itself. */
export function traitsOf(norm: NormSpec): PureNormTraits<NormSpec> {
  return kindOf(norm).norm as unknown as PureNormTraits<NormSpec>;
}

/** The channels of a normalization, the size of its last axis. */
export function normChannels(norm: NormSpec): number {
  return traitsOf(norm).channels(norm);
}

/** Whether evaluation normalizes by running statistics, and is an affine map of each channel. */
export function usesRunningStatistics(
  leaf: LeafSpec,
): leaf is BatchNormSpec | BatchRenormSpec | InstanceNormSpec {
  return isNorm(leaf) && traitsOf(leaf).usesRunningStatistics?.(leaf) === true;
}

/** The different normalizations of a model, for people: `batchNorm (sync)`, `groupNorm (8 groups of
 * 16 channels)`. */
export function normsOf(model: LayerSpec): readonly string[] {
  return [...new Set(leavesOf(model).filter(isNorm).map(normName))];
}

/** A normalization, for people. */
export function normName(norm: NormSpec): string {
  return traitsOf(norm).describe(norm);
}

/** Where the layers stand that train by the batch statistics of each replica alone, without having
 * asked for virtual batches. */
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
