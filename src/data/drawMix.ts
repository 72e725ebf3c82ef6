// Mixup and cutmix: which other sample of the global batch a sample is mixed with, and how. Drawn
// from (seed, step, position in the global batch) alone. The mixing is in train/mixing.ts.

import { Purpose, portableExp, portableLog, RandomStream } from '../base/random.ts';
import type { Shape } from '../base/shape.ts';
import type { AugmentationPlan } from './augment.ts';

/** Whether samples are mixed in training. */
export function isMixing(plan: AugmentationPlan | null): boolean {
  return plan?.mixup !== undefined || plan?.cutmix !== undefined;
}

/** How one sample is mixed: where it is cut, rows [top, bottom) and columns [left, right) of the
 * other one replace its own; otherwise `share` of it and 1 - share of the other are added up. */
export interface Mix {
  /** Position of the other sample; the sample's own where it is alone in its batch. */
  partner: number;
  /** Share of the sample's own inputs and target. */
  share: number;
  isCut: boolean;
  top: number;
  bottom: number;
  left: number;
  right: number;
}

/** Draws mixes of samples of shape `inputShape`; the function fills in the same object each time
 * and allocates nothing. */
export function bindMixDraw(
  plan: AugmentationPlan,
  seed: number,
  inputShape: Shape,
): (mix: Mix, step: number, position: number, globalCount: number) => void {
  const { mixup, cutmix } = plan;
  const [height = 1, width = 1] = inputShape;
  const random = new RandomStream();
  return (mix, step, position, globalCount) => {
    random.reset(seed, Purpose.mix, step, position);
    mix.isCut = false;
    mix.share = 1;
    mix.partner = position;
    if (globalCount < 2) return;
    mix.partner = (position + 1 + random.nextBelow(globalCount - 1)) % globalCount;
    const coin = random.nextBelow(2);
    const row = random.nextBelow(height);
    const column = random.nextBelow(width);
    mix.isCut = cutmix !== undefined && (mixup === undefined || coin === 0);
    mix.share = drawBeta(random, mix.isCut ? cutmix! : mixup!);
    if (!mix.isCut) return;
    const side = Math.sqrt(1 - mix.share);
    const halfHeight = Math.floor(Math.floor(height * side) / 2);
    const halfWidth = Math.floor(Math.floor(width * side) / 2);
    mix.top = Math.max(0, row - halfHeight);
    mix.bottom = Math.min(height, row + halfHeight);
    mix.left = Math.max(0, column - halfWidth);
    mix.right = Math.min(width, column + halfWidth);
    const area = (mix.bottom - mix.top) * (mix.right - mix.left);
    mix.share = 1 - area / (height * width);
  };
}

/** A number from Beta(alpha, alpha): X / (X + Y) of two gamma variates, from operations with the
 * same bits everywhere. */
function drawBeta(random: RandomStream, alpha: number): number {
  const x = drawLogGamma(random, alpha);
  const y = drawLogGamma(random, alpha);
  const ratio = portableExp(-Math.abs(y - x));
  return x >= y ? 1 / (1 + ratio) : ratio / (1 + ratio);
}

/** The logarithm of a number from Gamma(alpha, 1), which for small alpha may be below all floats
 * (Marsaglia and Tsang 2000, "A simple method for generating gamma variables"; for alpha below 1
 * that of alpha + 1 times u^(1 / alpha)). */
function drawLogGamma(random: RandomStream, alpha: number): number {
  const d = (alpha < 1 ? alpha + 1 : alpha) - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const normal = random.nextNormal();
    const root = 1 + c * normal;
    if (root <= 0) continue;
    const v = root * root * root;
    // In (0, 1], of which there is a logarithm.
    const log = portableLog(1 - random.nextUniform());
    const logV = portableLog(v);
    if (log >= 0.5 * normal * normal + d - d * v + d * logV) continue;
    const logGamma = portableLog(d) + logV;
    return alpha < 1 ? logGamma + portableLog(1 - random.nextUniform()) / alpha : logGamma;
  }
}
