// What convertNorm is asked for, and which normalizations it changes.

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
/** What to make of the normalizations. `frozen` keeps running statistics, weight and bias as they
 * are; `none` takes normalizations out; `auto` takes `sync` (`local` with one replica), or `group`
 * where a sync group has fewer than {@link AUTO_MIN_VALUES} values per channel. */
export type NormTarget = (typeof NORM_TARGETS)[number];

/** What is asked for, without what a run knows by itself. */
export interface NormRequest {
  /** What to convert to. */
  readonly to: NormTarget;
  /** Which normalizations change; all others stay exactly as they are. Default: batch
   * normalizations that train (`CONVERTED_KINDS`; not frozen ones, nor those over virtual
   * batches), and what is of the kind asked for, which changes in the options asked for. `all`:
   * every one. */
  readonly kinds?: 'all' | readonly NormKind[];
  /** For `sync` and `auto`: replicas that share statistics; default all. */
  readonly groupSize?: number;
  /** For `group`, and `auto` where it takes that: has to divide the channels of every layer.
   * Default, layer by layer: groups of 16 channels, at most 32 groups, at least 4 of them where a
   * group still has 4 channels and, where `inputShape` tells, 16 values (groupRule.ts). */
  readonly numGroups?: number;
}

/** The kinds that change unless others are asked for. */
export const CONVERTED_KINDS = ['batchNorm', 'batchRenorm'] as const;

/** The options of `nn.convertNorm`. */
export interface ConvertNormOptions extends NormRequest {
  /** The shape of the model's input, without the sample axis. Needed for `layer`, which has weights
   * for every element, and for `auto`. */
  readonly inputShape?: Shape;
  /** For `auto`: the replicas of the run. Needed there. */
  readonly replicas?: number;
  /** For `auto`: samples of a replica in a full step. Needed there. */
  readonly replicaBatch?: number;
}
