// What tools ask of layers that normalize: what to call them, what they take statistics over, and
// what conversion and inference may do with them. Training asks none of it.

import type { SyncScope } from '../specs/normOptions.ts';

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
/** The kinds of normalization that a conversion can be limited to. */
export type NormKind = (typeof NORM_KINDS)[number];

/** What a layer tells that normalizes, be it all that it does or a part of it. */
export interface NormTraits<Spec> {
  /** Undefined where an option takes the normalization out. */
  normKind(spec: Spec): NormKind | undefined;
  /** Which samples and channels share statistics, for people: `sample, each channel`. */
  scope(spec: Spec, replicas: number): string;
}

/** What decides how many values a mean is over. */
export interface StatisticsPlace {
  /** Positions of a sample: H * W. */
  readonly positions: number;
  /** Samples of a replica in a full step; a mean where they differ. */
  readonly replicaBatch: number;
  /** Values per channel of a sync group. */
  readonly groupValues: number;
}

/** What a layer tells that normalizes and does nothing else. */
export interface PureNormTraits<Spec> extends NormTraits<Spec> {
  /** `batchNorm (sync)`, `groupNorm (8 groups of 16 channels)`. */
  describe(spec: Spec): string;
  /** The size of the last axis. */
  channels(spec: Spec): number;
  /** Values that each mean of a full training step is over; 0 where none is taken. */
  values(spec: Spec, place: StatisticsPlace): number;
  /** Whether evaluation normalizes by running statistics, and is an affine map of each channel;
   * absent where it never does. */
  usesRunningStatistics?(spec: Spec): boolean;
  /** Whether the variances that it keeps are of single samples, not of batches; default false. */
  readonly tracksSamples?: boolean;
  /** Why statistics over training batches cannot replace what it evaluates by; undefined where they
   * can. Absent where there is nothing to replace. */
  whyNoPopulation?(spec: Spec): string | undefined;
  /** Samples that a sample shares its training statistics with on average, itself included;
   * undefined where evaluation is not to be corrected for that. Absent for never. */
  sharingSamples?(
    spec: Spec,
    run: { readonly replicas: number; readonly globalBatch: number },
  ): number | undefined;
  /** The same layer with other replicas sharing its statistics; absent where it has no such
   * option. */
  withSync?(spec: Spec, sync: SyncScope): Spec;
  /** The same layer, frozen; absent where it has no such option. */
  frozen?(spec: Spec): Spec;
  /** Whether a nonlinearity is part of it; absent where none can be. */
  hasActivation?(spec: Spec): boolean;
}
