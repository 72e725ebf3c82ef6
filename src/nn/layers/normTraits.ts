// The traits of layers that normalize, for tools: their names, what they take statistics over, and
// what conversion and inference may do with them. Training does not use them.

import type { SyncScope } from '../specs/normOptions.ts';

/** The kinds of normalizations that tools distinguish. Batch normalizations with frozen statistics,
 * or over virtual batches, are separate kinds. */
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
/** The kinds of normalization that a conversion can be limited to. */
export type NormKind = (typeof NORM_KINDS)[number];

/** The traits of a layer that normalizes, alone or among other things. */
export interface NormTraits<Spec> {
  /** The kind of normalization, or undefined if an option removes it. */
  normKind(spec: Spec): NormKind | undefined;
  /** Which samples and channels share statistics, in words: `sample, each channel`. */
  scope(spec: Spec, replicas: number): string;
}

/** The numbers that decide how many values a mean is taken over. */
export interface StatisticsPlace {
  /** Positions of a sample, H * W. */
  readonly positions: number;
  /** Samples of a replica in a full step; the mean if they differ. */
  readonly replicaBatch: number;
  /** Values per channel of a sync group. */
  readonly groupValues: number;
}

/** The traits of a layer that only normalizes. */
export interface PureNormTraits<Spec> extends NormTraits<Spec> {
  /** Describes the layer: `batchNorm (sync)`, `groupNorm (8 groups of 16 channels)`. */
  describe(spec: Spec): string;
  /** The size of the last axis. */
  channels(spec: Spec): number;
  /** The number of values that each mean of a full training step is over; 0 if it takes no mean. */
  values(spec: Spec, place: StatisticsPlace): number;
  /** Whether evaluation normalizes by running statistics, which makes it an affine map of each
   * channel; absent if it never does. */
  usesRunningStatistics?(spec: Spec): boolean;
  /** Whether the variances that it keeps are those of single samples instead of batches; default
   * false. */
  readonly tracksSamples?: boolean;
  /** Why statistics over training batches cannot replace those used in evaluation; undefined if
   * they can. Absent if there is nothing to replace. */
  whyNoPopulation?(spec: Spec): string | undefined;
  /** The average number of samples that share training statistics, including the sample itself;
   * undefined if evaluation needs no correction for that. Absent if it never does. */
  sharingSamples?(
    spec: Spec,
    run: { readonly replicas: number; readonly globalBatch: number },
  ): number | undefined;
  /** The same layer with statistics shared by other replicas; absent if it has no such option. */
  withSync?(spec: Spec, sync: SyncScope): Spec;
  /** The same layer, frozen; absent if it has no such option. */
  frozen?(spec: Spec): Spec;
  /** Whether a nonlinearity is part of it; absent if it never is. */
  hasActivation?(spec: Spec): boolean;
}
