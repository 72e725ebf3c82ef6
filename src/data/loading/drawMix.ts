// Mixup and cutmix: draws which other sample of the global batch a sample is mixed with, and how.
// Depends only on (seed, step, position in the global batch). train/mixing.ts mixes.

import { expInPlace, logInPlace, Purpose, RandomStream } from '../../base/random.ts';
import type { Shape } from '../../base/shape.ts';
import type { AugmentationPlan } from './augment.ts';

/** Whether samples are mixed in training. */
export function isMixing(plan: AugmentationPlan | null): boolean {
  return plan?.mixup !== undefined || plan?.cutmix !== undefined;
}

/** How one sample is mixed. With a cut, rows [top, bottom) and columns [left, right) of the other
 * sample replace its own. Otherwise, the mix is `share` times the sample plus 1 - `share` times the
 * other. */
export interface Mix {
  /** Position of the other sample; the sample's own if it is alone in its batch. */
  partner: number;
  /** The sample's weight in its inputs and target, [1]. */
  readonly share: Float64Array;
  isCut: boolean;
  top: number;
  bottom: number;
  left: number;
  right: number;
}

/** Binds a function that draws mixes of samples of shape `inputShape`. It fills the same object
 * each time and allocates nothing. */
export function bindMixDraw(
  plan: AugmentationPlan,
  seed: number,
  inputShape: Shape,
): (mix: Mix, step: number, position: number, globalCount: number) => void {
  const { mixup, cutmix } = plan;
  const [height = 1, width = 1] = inputShape;
  const random = new RandomStream();
  const numbers = new Float64Array(COUNT_NUMBERS);
  const ofMixup = mixup === undefined ? undefined : gammaOf(mixup);
  const ofCutmix = cutmix === undefined ? undefined : gammaOf(cutmix);
  return (mix, step, position, globalCount) => {
    random.reset(seed, Purpose.mix, step, position);
    mix.isCut = false;
    mix.share[0] = 1;
    mix.partner = position;
    if (globalCount < 2) return;
    mix.partner = (position + 1 + random.nextBelow(globalCount - 1)) % globalCount;
    const coin = random.nextBelow(2);
    const row = random.nextBelow(height);
    const column = random.nextBelow(width);
    mix.isCut = cutmix !== undefined && (mixup === undefined || coin === 0);
    drawBeta(random, (mix.isCut ? ofCutmix : ofMixup)!, numbers);
    mix.share[0] = numbers[X]!;
    if (!mix.isCut) return;
    const side = Math.sqrt(1 - numbers[X]!);
    const halfHeight = Math.floor(Math.floor(height * side) / 2);
    const halfWidth = Math.floor(Math.floor(width * side) / 2);
    mix.top = Math.max(0, row - halfHeight);
    mix.bottom = Math.min(height, row + halfHeight);
    mix.left = Math.max(0, column - halfWidth);
    mix.right = Math.min(width, column + halfWidth);
    const area = (mix.bottom - mix.top) * (mix.right - mix.left);
    mix.share[0] = 1 - area / (height * width);
  };
}

/** Indexes of the numbers that a draw works with. */
const NORMAL = 0;
const LOG = 1;
const LOG_V = 2;
const X = 3;
const Y = 4;
const U = 5;
const V = 6;
const COUNT_NUMBERS = 7;

/** Draws from Beta(alpha, alpha) into `numbers[X]`: A / (A + B) of two gamma variates, with
 * operations that give the same bits everywhere. Numbers are passed in an array, because returned
 * ones may be allocated. */
function drawBeta(random: RandomStream, gamma: Float64Array, numbers: Float64Array): void {
  drawLogGamma(random, gamma, numbers, X);
  drawLogGamma(random, gamma, numbers, Y);
  const difference = numbers[Y]! - numbers[X]!;
  numbers[X] = -Math.abs(difference);
  expInPlace(numbers, X);
  const ratio = numbers[X]!;
  numbers[X] = difference <= 0 ? 1 / (1 + ratio) : ratio / (1 + ratio);
}

/** The constants of {@link drawLogGamma} for Gamma(alpha, 1): d, c, and the exponent of u or 0. */
function gammaOf(alpha: number): Float64Array {
  const d = (alpha < 1 ? alpha + 1 : alpha) - 1 / 3;
  return Float64Array.of(d, 1 / Math.sqrt(9 * d), alpha < 1 ? 1 / alpha : 0);
}

/** Draws the logarithm of a number from Gamma(alpha, 1), which for small alpha may be below all
 * floats (Marsaglia and Tsang 2000, "A simple method for generating gamma variables"; for alpha
 * below 1, the draw for alpha + 1 times u^(1 / alpha)). */
function drawLogGamma(
  random: RandomStream,
  gamma: Float64Array,
  numbers: Float64Array,
  into: number,
): void {
  for (;;) {
    drawNormal(random, numbers);
    const normal = numbers[NORMAL]!;
    const root = 1 + gamma[1]! * normal;
    if (root <= 0) continue;
    const v = root * root * root;
    drawLogUniform(random, numbers);
    numbers[LOG_V] = v;
    logInPlace(numbers, LOG_V);
    const d = gamma[0]!;
    const bound = 0.5 * normal * normal + d - d * v + d * numbers[LOG_V]!;
    if (numbers[LOG]! < bound) break;
  }
  numbers[into] = gamma[0]!;
  logInPlace(numbers, into);
  numbers[into] = numbers[into]! + numbers[LOG_V]!;
  if (gamma[2] === 0) return;
  drawLogUniform(random, numbers);
  numbers[into] = numbers[into]! + numbers[LOG]! * gamma[2]!;
}

/** The logarithm of a uniform number in (0, 1]. */
function drawLogUniform(random: RandomStream, numbers: Float64Array): void {
  random.uniformInto(numbers, LOG);
  numbers[LOG] = 1 - numbers[LOG]!;
  logInPlace(numbers, LOG);
}

/** A standard normal number by Marsaglia's polar method. */
function drawNormal(random: RandomStream, numbers: Float64Array): void {
  for (;;) {
    random.uniformInto(numbers, U);
    random.uniformInto(numbers, V);
    const u = 2 * numbers[U]! - 1;
    const v = 2 * numbers[V]! - 1;
    const s = u * u + v * v;
    if (s === 0 || s >= 1) continue;
    numbers[NORMAL] = s;
    logInPlace(numbers, NORMAL);
    numbers[NORMAL] = u * Math.sqrt((-2 * numbers[NORMAL]!) / s);
    return;
  }
}
