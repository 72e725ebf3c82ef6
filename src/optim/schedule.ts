// Learning rate schedules as plain data: constant, step and cosine, and the table of all schedules.
// Specs and builders, checked; the rates are in learningRate.ts.

import { UsageError } from '../base/errors.ts';
import { optionsSchema, parseKind, parseOptions } from '../base/parse.ts';
import { accept, atLeastZero, realNumber, wholeNumber } from '../base/values.ts';
import {
  type OneCycleSchedule,
  oneCycle,
  oneCycleSchema,
  type WarmRestartsSchedule,
  warmRestarts,
  warmRestartsSchema,
} from './cycles.ts';
import {
  type ExponentialSchedule,
  exponential,
  exponentialSchema,
  type PointsSchedule,
  type PolynomialSchedule,
  points,
  pointsSchema,
  polynomial,
  polynomialSchema,
} from './decays.ts';
import { type PlateauSchedule, plateau, plateauSchema } from './plateau.ts';
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

export type * from './cycles.ts';
export type * from './decays.ts';
export type { Counted, ScheduleUnit, UnitOptions, Warmup, WarmupOptions } from './warmup.ts';

/** A constant rate, after a warmup if there is one. */
export interface ConstantSchedule extends Warmup {
  /** The kind of schedule. */
  readonly kind: 'constant';
}

/** The rate is multiplied by gamma at each milestone, or after every stepSize steps. */
export interface StepSchedule extends Warmup, Counted {
  /** The kind of schedule. */
  readonly kind: 'step';
  /** As {@link StepOptions.gamma}. */
  readonly gamma: number;
  /** Ascending, in the schedule's unit; null if `stepSize` is set. */
  readonly milestones: readonly number[] | null;
  /** The interval, in the schedule's unit; null if milestones are set. */
  readonly stepSize: number | null;
}

/** Half a cosine from the base rate, at the end of the warmup, to minLr at the end of training. */
export interface CosineSchedule extends Warmup {
  /** The kind of schedule. */
  readonly kind: 'cosine';
  /** As {@link CosineOptions.minLr}. */
  readonly minLr: number;
}

/** A schedule as plain data. */
export type ScheduleSpec =
  | ConstantSchedule
  | CosineSchedule
  | ExponentialSchedule
  | OneCycleSchedule
  | PlateauSchedule
  | PointsSchedule
  | PolynomialSchedule
  | StepSchedule
  | WarmRestartsSchedule;

/** The options of `optim.schedules.step`. */
export interface StepOptions extends WarmupOptions, UnitOptions {
  /** Factor at each milestone; default 0.1, as in PyTorch. */
  readonly gamma?: number;
  /** Steps or epochs after which the rate falls. Give either this or `stepSize`. There is no
   * default. */
  readonly milestones?: readonly number[] | null;
  /** The number of steps or epochs after which the rate falls each time. There is no default. */
  readonly stepSize?: number | null;
}

/** The options of `optim.schedules.cosine`. */
export interface CosineOptions extends WarmupOptions {
  /** The rate at the end; default 0. */
  readonly minLr?: number;
}

const DEFAULT_GAMMA = 0.1;

const warmupSchema = optionsSchema<WarmupOptions>()(warmupFields);
const cosineSchema = optionsSchema<CosineOptions>()({
  ...warmupFields,
  minLr: atLeastZero.exactOptional(),
});
const stepSchema = optionsSchema<StepOptions>()({
  ...warmupFields,
  ...unitField,
  gamma: realNumber(
    'a number above 0, at most 1',
    (gamma) => gamma > 0 && gamma <= 1,
  ).exactOptional(),
  milestones: accept<readonly number[] | null>(
    'a list of steps, whole numbers from 1, ascending',
    isMilestones,
  ).exactOptional(),
  stepSize: accept<number | null>('a whole number from 1', (size) => {
    return size === null || wholeNumber(1).safeParse(size).success;
  }).exactOptional(),
});

/** The base rate in every step, after the warmup. Throws a {@link UsageError}.
 *
 * @example
 * optim.schedules.constant({ warmupSteps: 100 })
 */
export function constant(options: WarmupOptions = {}): ConstantSchedule {
  const given = parseOptions('constant', warmupSchema, options);
  return { kind: 'constant', ...warmupOf('constant', given) };
}

/** The base rate times gamma^(milestones passed). Throws a {@link UsageError}, also unless exactly
 * one of `milestones` and `stepSize` is given.
 *
 * @example
 * optim.schedules.step({ milestones: [30, 60], unit: 'epochs' }) */
export function step(options: StepOptions): StepSchedule {
  const example = 'step({ stepSize: 1000 })';
  const given = parseOptions('step', stepSchema, options, { example });
  const { milestones = null, stepSize = null, gamma = DEFAULT_GAMMA } = given;
  if ((milestones === null) === (stepSize === null)) {
    throw new UsageError({
      what: 'step schedule',
      given: { milestones, stepSize },
      allowed: 'either milestones or stepSize',
    });
  }
  const steps = milestones === null ? null : [...milestones];
  const falls = { gamma, milestones: steps, stepSize };
  return { kind: 'step', ...falls, ...warmupOf('step', given), ...unitOf(given) };
}

/** Half a cosine from the base rate to minLr. Throws a {@link UsageError}.
 *
 * @example
 * optim.schedules.cosine({ warmupEpochs: 1 })
 */
export function cosine(options: CosineOptions = {}): CosineSchedule {
  const given = parseOptions('cosine', cosineSchema, options);
  const { minLr = 0 } = given;
  return { kind: 'cosine', minLr, ...warmupOf('cosine', given) };
}

/** The builders of all schedules, by name.
 * @namespace */
export const schedules = {
  constant,
  cosine,
  exponential,
  oneCycle,
  plateau,
  points,
  polynomial,
  step,
  warmRestarts,
};

export type ScheduleName = keyof typeof schedules;

/** A correct call of each, for errors, and its options. */
const FORMS: Readonly<Record<ScheduleName, { readonly call: string; readonly schema: AnySchema }>> =
  {
    constant: { call: 'constant()', schema: warmupSchema },
    cosine: { call: 'cosine()', schema: cosineSchema },
    exponential: { call: 'exponential({ gamma: 0.99 })', schema: exponentialSchema },
    oneCycle: { call: 'oneCycle()', schema: oneCycleSchema },
    plateau: { call: 'plateau()', schema: plateauSchema },
    points: { call: 'points({ points: [[0, 1], [1000, 0]] })', schema: pointsSchema },
    polynomial: { call: 'polynomial()', schema: polynomialSchema },
    step: { call: 'step({ stepSize: 1000 })', schema: stepSchema },
    warmRestarts: { call: 'warmRestarts({ period: 1000 })', schema: warmRestartsSchema },
  };

interface AnySchema {
  readonly shape: object;
}

export const SCHEDULE_NAMES = Object.keys(FORMS) as readonly ScheduleName[];

/** The options that a schedule takes. */
export function scheduleOptionsOf(name: ScheduleName): readonly string[] {
  return Object.keys(FORMS[name].schema.shape);
}

/** Parses a schedule from plain data: the result of a builder, or its options with a `kind`. Throws
 * a {@link UsageError}. */
export function parseSchedule(given: unknown): ScheduleSpec {
  const calls = SCHEDULE_NAMES.map((name) => [name, `optim.schedules.${FORMS[name].call}`]);
  const { kind, rest } = parseKind(
    'schedule',
    Object.fromEntries(calls) as Record<ScheduleName, string>,
    given,
  );
  const build: (options: never) => ScheduleSpec = schedules[kind];
  return build(rest as never);
}

function isMilestones(given: unknown): boolean {
  if (given === null) return true;
  if (!Array.isArray(given)) return false;
  return Array.from(given).every((milestone, i) => {
    return wholeNumber(i === 0 ? 1 : given[i - 1] + 1).safeParse(milestone).success;
  });
}
