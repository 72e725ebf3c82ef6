// Schedules of the learning rate as plain data: specs and builders, checked. The rates are in
// learningRate.ts.

import { UsageError } from '../base/errors.ts';
import { optionsSchema, parseKind, parseOptions } from '../base/parse.ts';
import { accept, atLeastZero, realNumber, wholeNumber } from '../base/values.ts';
import { type PlateauSchedule, plateau } from './plateau.ts';

/** What all schedules have. */
export interface Warmup {
  /** In step s below this the rate is multiplied by (s + 1) / warmupSteps. */
  readonly warmupSteps: number;
}

export interface ConstantSchedule extends Warmup {
  readonly kind: 'constant';
}

/** The rate is multiplied by gamma at each milestone, or after every stepSize steps. */
export interface StepSchedule extends Warmup {
  readonly kind: 'step';
  readonly gamma: number;
  /** Ascending steps; null when `stepSize` is meant. */
  readonly milestones: readonly number[] | null;
  /** null when milestones are meant. */
  readonly stepSize: number | null;
}

/** Half a cosine from the base rate, at the end of the warmup, to minLr at the end of training. */
export interface CosineSchedule extends Warmup {
  readonly kind: 'cosine';
  readonly minLr: number;
}

export type ScheduleSpec = ConstantSchedule | StepSchedule | CosineSchedule | PlateauSchedule;

export interface WarmupOptions {
  /** Steps over which the rate rises linearly; default 0. */
  readonly warmupSteps?: number;
}

export interface StepOptions extends WarmupOptions {
  /** Factor at each milestone; default 0.1, as in PyTorch. */
  readonly gamma?: number;
  /** Steps at which the rate falls. Give this or `stepSize`. */
  readonly milestones?: readonly number[] | null;
  /** The rate falls after every so many steps. */
  readonly stepSize?: number | null;
}

export interface CosineOptions extends WarmupOptions {
  /** The rate at the end; default 0. */
  readonly minLr?: number;
}

const DEFAULT_GAMMA = 0.1;

const warmupSteps = wholeNumber(0).exactOptional();
const warmupSchema = optionsSchema<WarmupOptions>()({ warmupSteps });
const cosineSchema = optionsSchema<CosineOptions>()({
  warmupSteps,
  minLr: atLeastZero.exactOptional(),
});
const stepSchema = optionsSchema<StepOptions>()({
  warmupSteps,
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

/** The base rate in every step, after the warmup. Throws a {@link UsageError}. */
export function constant(options: WarmupOptions = {}): ConstantSchedule {
  const { warmupSteps = 0 } = parseOptions('constant', warmupSchema, options);
  return { kind: 'constant', warmupSteps };
}

/** The base rate times gamma^(milestones passed). Throws a {@link UsageError}, also for both of
 * `milestones` and `stepSize`, or neither. */
export function step(options: StepOptions): StepSchedule {
  const example = 'step({ stepSize: 1000 })';
  const given = parseOptions('step', stepSchema, options, { example });
  const { milestones = null, stepSize = null, gamma = DEFAULT_GAMMA, warmupSteps = 0 } = given;
  if ((milestones === null) === (stepSize === null)) {
    throw new UsageError({
      what: 'step schedule',
      given: { milestones, stepSize },
      allowed: 'milestones or stepSize, one of the two',
    });
  }
  const steps = milestones === null ? null : [...milestones];
  return { kind: 'step', gamma, milestones: steps, stepSize, warmupSteps };
}

/** Half a cosine from the base rate to minLr. Throws a {@link UsageError}. */
export function cosine(options: CosineOptions = {}): CosineSchedule {
  const { minLr = 0, warmupSteps = 0 } = parseOptions('cosine', cosineSchema, options);
  return { kind: 'cosine', minLr, warmupSteps };
}

/** A schedule from plain data: what the builders give, or their options with a `kind`. Throws a
 * {@link UsageError}. */
export function parseSchedule(given: unknown): ScheduleSpec {
  const { kind, rest } = parseKind(
    'schedule',
    {
      constant: 'optim.schedules.constant()',
      cosine: 'optim.schedules.cosine()',
      plateau: 'optim.schedules.plateau()',
      step: 'optim.schedules.step({ stepSize: 1000 })',
    },
    given,
  );
  if (kind === 'constant') return constant(rest);
  if (kind === 'plateau') return plateau(rest);
  return kind === 'cosine' ? cosine(rest) : step(rest);
}

function isMilestones(given: unknown): boolean {
  if (given === null) return true;
  if (!Array.isArray(given)) return false;
  return Array.from(given).every((milestone, i) => {
    return wholeNumber(i === 0 ? 1 : given[i - 1] + 1).safeParse(milestone).success;
  });
}
