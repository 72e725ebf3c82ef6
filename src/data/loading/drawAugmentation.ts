// Random shifts and flips of training images: draws them for one sample. The image kernels move the
// pixels when a sample is loaded.

import type { RandomStream } from '../../base/random.ts';
import type { AugmentationPlan } from './augment.ts';

/** Indexes of the numbers that {@link drawAugmentation} writes. */
export const DRAWN_DY = 0;
export const DRAWN_DX = 1;
export const DRAWN_FLIP = 2;
export const DRAWN_LENGTH = 3;

/** Draws for one sample into `out` = [dy, dx, flip]. `random` must be positioned at (seed,
 * Purpose.augment, step, position in the global batch). dy and dx are uniform in [-maxShift,
 * maxShift], flip is 0 or 1 with probability 1/2 each, or always 0. Always draws three numbers.
 * Allocates nothing. */
export function drawAugmentation(
  random: RandomStream,
  plan: AugmentationPlan,
  out: Int32Array,
): void {
  const choices = 2 * plan.maxShift + 1;
  out[DRAWN_DY] = random.nextBelow(choices) - plan.maxShift;
  out[DRAWN_DX] = random.nextBelow(choices) - plan.maxShift;
  const coin = random.nextBelow(2);
  out[DRAWN_FLIP] = plan.flip ? coin : 0;
}
