// Means over seeds with 95 % confidence intervals from Student's t ("The probable error of a mean",
// 1908), and verdicts on claims from such intervals.

import { checkInteger } from '../../base/errors.ts';
import type { Verdict } from '../../report/page.ts';

/** A mean and the half-width of its 95 % confidence interval. */
export interface Interval {
  readonly mean: number;
  /** NaN if there are fewer than two values. */
  readonly halfWidth: number;
  readonly count: number;
}

const CONFIDENCE = 0.95;
/** Enough for doubles: 2^-60 of the first bracket is below their resolution. */
const BISECTIONS = 60;

/** Mean and interval of independent values. Without values both are NaN. */
export function intervalOf(values: readonly number[]): Interval {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return { mean, halfWidth: Number.NaN, count };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = Math.sqrt(squares / (count - 1) / count);
  return { mean, halfWidth: studentQuantile((1 + CONFIDENCE) / 2, count - 1) * error, count };
}

/** The interval of a - b, with `a` and `b` paired by seed, so that effects of the seed on both
 * cancel out. */
export function pairedDifference(a: readonly number[], b: readonly number[]): Interval {
  checkInteger('values to compare with', b.length, a.length, a.length);
  return intervalOf(a.map((value, index) => value - b[index]!));
}

/** The verdict on the claim that a difference is above (or below) `smallest`: `confirmed` if the
 * whole interval is, `refuted` if none of it is, and `inconclusive` if the interval contains
 * `smallest` or does not exist. */
export function verdictOf(
  { mean, halfWidth }: Interval,
  claimed: 'above' | 'below',
  smallest = 0,
): Verdict {
  if (Number.isNaN(halfWidth)) return 'inconclusive';
  const sign = claimed === 'above' ? 1 : -1;
  const beyond = sign * (mean - smallest);
  if (beyond > halfWidth) return 'confirmed';
  return beyond < -halfWidth ? 'refuted' : 'inconclusive';
}

/** Formats an interval: `2.31 +- 0.12 %`, or only the mean if there is no interval. */
export function showInterval({ mean, halfWidth }: Interval, digits = 3, unit?: string): string {
  const number = Number.isNaN(halfWidth)
    ? mean.toFixed(digits)
    : `${mean.toFixed(digits)} +- ${halfWidth.toFixed(digits)}`;
  return unit === undefined ? number : `${number} ${unit}`;
}

/** The quantile of Student's distribution: the t with cumulative probability `probability` (0.5 to
 * 1), found by bisection of the distribution function. */
export function studentQuantile(probability: number, freedom: number): number {
  checkInteger('degrees of freedom', freedom, 1);
  let [low, high] = [0, 1];
  while (studentDistribution(high, freedom) < probability) high *= 2;
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (studentDistribution(middle, freedom) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The cumulative distribution function of Student's t at t >= 0, for an integer number of degrees
 * of freedom: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4. */
function studentDistribution(t: number, freedom: number): number {
  const angle = Math.atan2(t, Math.sqrt(freedom));
  const cosine = Math.cos(angle);
  const isOdd = freedom % 2 === 1;
  let term = isOdd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = isOdd ? 3 : 2; k <= freedom - 2; k += 2) {
    term *= ((k - 1) / k) * cosine * cosine;
    sum += term;
  }
  const inside = isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return (1 + inside) / 2;
}
