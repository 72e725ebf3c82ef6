// Norm `auto`: batch statistics if there are enough values for them, synchronized if the run has
// more than one replica, otherwise group normalization. Pure index math: the same model, input and
// replicas give the same choice.

import { UsageError } from '../../base/errors.ts';
import { type Shape, sizeOf } from '../../base/shape.ts';
import { groupsText } from '../norms/normShared.ts';
import { defaultNumGroups } from './groupRule.ts';

/** With fewer values per channel than this, over the whole sync group, `auto` uses group
 * normalization. The relative error of a variance of n independent values is sqrt(2 / (n - 1)); a
 * mean is off by 1 / sqrt(n) standard deviations: 25 % and 0.18 at 32. Wu and He 2018 (table 2,
 * ImageNet) find batch normalization on par with group normalization down to 16 images and worse
 * from 8 down. In layers with one position a value is an image, and 32 keeps a margin of a factor
 * of two. Positions of one image are correlated, so with many positions this is a lower bound. */
export const AUTO_MIN_VALUES = 32;

/** What a choice depends on. */
export interface NormPlace {
  /** The shape of the layer's input, channels last. */
  readonly shape: Shape;
  readonly channels: number;
  readonly replicas: number;
  /** Samples of a replica in a full step; the mean if they differ. */
  readonly replicaBatch: number;
  /** Replicas that would share statistics; default all. */
  readonly groupSize?: number;
}

export interface NormChoice {
  readonly to: 'sync' | 'local' | 'group';
  /** Values per channel of the smallest sync group in a full step. */
  readonly values: number;
  /** The reason, in words. */
  readonly why: string;
}

/** Chooses what `auto` replaces a normalization with. */
export function chooseNorm(place: NormPlace): NormChoice {
  const { shape, channels, replicas } = place;
  const positions = sizeOf(shape) / channels;
  const samples = samplesOfSyncGroup(place);
  const values = samples * positions;
  const count = `${values} values per channel (${samples} samples x ${positions} positions)`;
  const to = replicas > 1 ? 'sync' : 'local';
  if (values >= AUTO_MIN_VALUES) {
    const reason = replicas > 1 ? `${replicas} replicas` : 'one replica, nothing to synchronize';
    return { to, values, why: `${count}, at least ${AUTO_MIN_VALUES}; ${reason}` };
  }
  if (channels * positions < 2) {
    return { to, values, why: `${count}; a sample has a single value, which has no variance` };
  }
  const groups = groupsText(defaultNumGroups(channels, shape), channels);
  return { to: 'group', values, why: `${count}, fewer than ${AUTO_MIN_VALUES}; ${groups}` };
}

/** Samples of the smallest sync group in a full step. */
function samplesOfSyncGroup({ replicas, replicaBatch, groupSize }: NormPlace): number {
  const size = Math.min(groupSize ?? replicas, replicas);
  const smallest = replicas % size === 0 ? size : replicas % size;
  // Rounding may leave the product just below a whole number.
  return Math.floor(smallest * replicaBatch * (1 + Number.EPSILON * 4));
}

/** Throws if something that the choice depends on is unknown. */
export function checkKnown(known: {
  readonly inputShape: Shape | undefined;
  readonly replicas: number | undefined;
  readonly replicaBatch: number | undefined;
}): { readonly replicas: number; readonly replicaBatch: number } {
  for (const [name, value] of Object.entries(known)) {
    if (value !== undefined) continue;
    throw new UsageError({
      what: "convertNorm to 'auto'",
      given: `no ${name}`,
      allowed: 'inputShape, replicas and replicaBatch, which decide how many values there are',
      hint: "Trainer.start({ norm: { to: 'auto' }, ... }), which knows them",
    });
  }
  return { replicas: known.replicas!, replicaBatch: known.replicaBatch! };
}
