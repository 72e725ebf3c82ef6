// The default number of groups of a group normalization. Wu and He 2018 (ECCV, table 3; ImageNet,
// ResNet-50) compare both ways to choose: 32 groups did best among fixed numbers of groups (24.1 %
// error), 16 channels among fixed widths (24.2 %; 8 channels 24.3, 4 24.8, 2 25.6, 1 = InstanceNorm
// 28.4; one group = LayerNorm 25.3). So the rule counts channels.

import { type Shape, sizeOf } from '../../base/shape.ts';

/** Channels of a group in wide layers. */
const GROUP_CHANNELS = 16;

/** The default of Wu and He 2018: what {@link GROUP_CHANNELS} gives at 512 channels, beyond which
 * groups grow instead. */
const MOST_GROUPS = 32;

/** The groups of narrow layers, unless they would be too small. */
const NARROW_GROUPS = 4;

/** The narrowest group: two channels lose 1.4 points on ImageNet, one loses 4.2. */
const LEAST_GROUP_CHANNELS = 4;

/** The values (channels times positions) that a group should have. Mean and variance take 2 degrees
 * of freedom from them: half of 4, an eighth of 16. Only layers with few positions come close. */
const LEAST_GROUP_VALUES = 16;

/** The rule, in words. */
export const GROUP_RULE =
  `groups of ${GROUP_CHANNELS} channels, at most ${MOST_GROUPS} groups; below ` +
  `${NARROW_GROUPS * GROUP_CHANNELS} channels ${NARROW_GROUPS} groups, of at least ` +
  `${LEAST_GROUP_CHANNELS} channels and ${LEAST_GROUP_VALUES} values; always a divisor of the ` +
  'channels (after Wu and He 2018, table 3)';

/** The default number of groups, by {@link GROUP_RULE}. Positions count if the shape of a sample,
 * channels last, is known. One group if no divisor fits. */
export function defaultNumGroups(channels: number, shape: Shape | undefined): number {
  const values = shape === undefined ? Number.POSITIVE_INFINITY : sizeOf(shape);
  const wanted = Math.max(NARROW_GROUPS, Math.floor(channels / GROUP_CHANNELS));
  const most = Math.min(
    MOST_GROUPS,
    wanted,
    Math.floor(channels / LEAST_GROUP_CHANNELS),
    Math.floor(values / LEAST_GROUP_VALUES),
  );
  return largestDivisor(channels, Math.max(1, most));
}

/** The largest divisor of `channels` that is at most `limit`. */
export function largestDivisor(channels: number, limit: number): number {
  let divisor = Math.min(channels, limit);
  while (channels % divisor !== 0) divisor--;
  return divisor;
}
