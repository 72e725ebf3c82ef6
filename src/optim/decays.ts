// Schedules that decay, or follow a list of points: specs and builders, checked. The rates are in
// learningRate.ts.

import { optionsSchema, parseOptions } from '../base/parse.ts';
import { accept, atLeastZero, positive } from '../base/values.ts';
import {
  type Counted,
  type UnitOptions,
  unitField,
  unitOf,
  type Warmup,
  type WarmupOptions,
  warmupFields,
  warmupOf,
} from './warmup.ts';

/** The rate is multiplied by gamma after each step, or each epoch. */
export interface ExponentialSchedule extends Warmup, Counted {
  /** The kind of schedule. */
  readonly kind: 'exponential';
  /** As {@link ExponentialOptions.gamma}. */
  readonly gamma: number;
}

/** From the base rate, at the end of the warmup, to minLr at the end of training, along
 * (1 - progress)^power. */
export interface PolynomialSchedule extends Warmup {
  /** The kind of schedule. */
  readonly kind: 'polynomial';
  /** As {@link PolynomialOptions.power}. */
  readonly power: number;
  /** As {@link PolynomialOptions.minLr}. */
  readonly minLr: number;
}

/** The base rate times a factor that is linear between points. */
export interface PointsSchedule extends Counted {
  /** The kind of schedule. */
  readonly kind: 'points';
  /** Pairs of place and factor, in ascending order of places. */
  readonly points: readonly SchedulePoint[];
}

/** A place in the run, in the schedule's unit, and the factor of the base rate there. */
export type SchedulePoint = readonly [at: number, factor: number];

/** The options of `optim.schedules.exponential`. */
export interface ExponentialOptions extends WarmupOptions, UnitOptions {
  /** Factor after each step or epoch, depending on `unit`; above 0. PyTorch's `ExponentialLR`. */
  readonly gamma: number;
}

/** The options of `optim.schedules.polynomial`. */
export interface PolynomialOptions extends WarmupOptions {
  /** Exponent, above 0; default 1, a straight line. */
  readonly power?: number;
  /** The rate at the end, as an absolute value; default 0. */
  readonly minLr?: number;
}

/** The options of `optim.schedules.points`. */
export interface PointsOptions extends UnitOptions {
  /** Pairs of a place, in the schedule's unit, and the factor of the base rate there, in ascending
   * order of places: `[[0, 0.1], [5, 1], [30, 0]]`. Before the first and after the last point the
   * factor is constant. */
  readonly points: readonly SchedulePoint[];
}

export const exponentialSchema = optionsSchema<ExponentialOptions>()({
  ...warmupFields,
  ...unitField,
  gamma: positive,
});
export const polynomialSchema = optionsSchema<PolynomialOptions>()({
  ...warmupFields,
  power: positive.exactOptional(),
  minLr: atLeastZero.exactOptional(),
});
export const pointsSchema = optionsSchema<PointsOptions>()({
  ...unitField,
  points: accept<readonly SchedulePoint[]>(
    'a list of pairs [place, factor], all at least 0, in ascending order of places, not empty',
    arePoints,
  ),
});

/** The base rate times gamma^(completed steps or epochs), after the warmup. Throws a
 * {@link UsageError}.
 *
 * @example
 * optim.schedules.exponential({ gamma: 0.95, unit: 'epochs' }) */
export function exponential(options: ExponentialOptions): ExponentialSchedule {
  const example = "exponential({ gamma: 0.95, unit: 'epochs' })";
  const given = parseOptions('exponential', exponentialSchema, options, { example });
  const { gamma } = given;
  return { kind: 'exponential', gamma, ...warmupOf('exponential', given), ...unitOf(given) };
}

/** Falls from the base rate to minLr along a power of the remaining fraction of the run. Throws a
 * {@link UsageError}.
 *
 * @example
 * optim.schedules.polynomial({ power: 2 }) */
export function polynomial(options: PolynomialOptions = {}): PolynomialSchedule {
  const given = parseOptions('polynomial', polynomialSchema, options);
  const { power = 1, minLr = 0 } = given;
  return { kind: 'polynomial', power, minLr, ...warmupOf('polynomial', given) };
}

/** The base rate times a factor that is linear between points. Throws a {@link UsageError}.
 *
 * @example
 * optim.schedules.points({ points: [[0, 0.1], [5, 1], [30, 0]], unit: 'epochs' }) */
export function points(options: PointsOptions): PointsSchedule {
  const example = "points({ points: [[0, 0.1], [5, 1], [30, 0]], unit: 'epochs' })";
  const given = parseOptions('points', pointsSchema, options, { example });
  const pairs = given.points.map(([at, factor]) => [at, factor] as const);
  return { kind: 'points', points: pairs, ...unitOf(given) };
}

function arePoints(given: unknown): boolean {
  if (!Array.isArray(given) || given.length === 0) return false;
  return Array.from(given).every((point, i) => {
    if (!Array.isArray(point) || point.length !== 2) return false;
    if (!point.every((value) => atLeastZero.safeParse(value).success)) return false;
    return i === 0 || point[0] > given[i - 1][0];
  });
}
