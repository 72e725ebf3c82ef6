// The options of convertNorm, and which normalizations it changes.

import type { Shape } from '../../base/shape.ts';
import type { NormKind } from '../layers/normTraits.ts';

export const NORM_TARGETS = [
  'sync',
  'local',
  'group',
  'layer',
  'instance',
  'frozen',
  'none',
  'auto',
] as const;
/** What to convert the normalizations to. `frozen` stops changes of running statistics, weight and
 * bias; `none` removes normalizations; `auto` chooses `sync` (`local` with one replica), or
 * `group` if a sync group has fewer than {@link AUTO_MIN_VALUES} values per channel. */
export type NormTarget = (typeof NORM_TARGETS)[number];

/** The options that a run does not already know. */
export interface NormRequest {
  /** What to convert to. */
  readonly to: NormTarget;
  /** Which normalizations change; all others stay exactly as they are. Default: batch
   * normalizations that train (`CONVERTED_KINDS`; not frozen ones or those over virtual batches),
   * and layers already of the requested kind, which only get the requested options. `all`: every
   * normalization. */
  readonly kinds?: 'all' | readonly NormKind[];
  /** For `sync` and `auto`: the number of replicas that share statistics; default all. */
  readonly groupSize?: number;
  /** For `group`, and for `auto` if it chooses `group`: the number of groups, which must divide the
   * channels of every layer. Default, layer by layer: groups of 16 channels, at most 32 groups,
   * and at least 4 if each still has 4 channels and, if `inputShape` is given, 16 values
   * (groupRule.ts). */
  readonly numGroups?: number;
}

/** The kinds that change by default. */
export const CONVERTED_KINDS = ['batchNorm', 'batchRenorm'] as const;

/** The options of `nn.convertNorm`. */
export interface ConvertNormOptions extends NormRequest {
  /** The shape of the model's input, without the sample axis. Needed for `layer`, which has a
   * weight for every element, and for `auto`. */
  readonly inputShape?: Shape;
  /** The replicas of the run. Needed for `auto`. */
  readonly replicas?: number;
  /** Samples of a replica in a full step. Needed for `auto`. */
  readonly replicaBatch?: number;
}
