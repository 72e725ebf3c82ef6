// Learning rates as a function of the step, in plain data. Pure; steps are optimizer steps counted
// from 0, warmup included. Cosine: Loshchilov and Hutter 2017 (without restarts); warmup: Goyal et
// al. 2017.

import { checkInteger, UsageError } from '../base/errors.ts';
import { cosPi, integerPower } from './portable.ts';

interface Warmup {
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

export type ScheduleSpec = ConstantSchedule | StepSchedule | CosineSchedule;

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

/** The base rate in every step. */
export function constant(options: WarmupOptions = {}): ConstantSchedule {
  return { kind: 'constant', warmupSteps: checkWarmup(options) };
}

/** The base rate times gamma^(milestones passed). Throws a {@link UsageError}. */
export function step(options: StepOptions): StepSchedule {
  const { milestones = null, stepSize = null, gamma = DEFAULT_GAMMA } = options;
  if ((milestones === null) === (stepSize === null)) {
    throw new UsageError({
      what: 'step schedule',
      given: { milestones, stepSize },
      allowed: 'milestones or stepSize, one of the two',
    });
  }
  if (!(gamma > 0 && gamma <= 1)) {
    throw new UsageError({
      what: 'step gamma',
      given: gamma,
      allowed: 'a number above 0, at most 1',
    });
  }
  return {
    kind: 'step',
    gamma,
    milestones: milestones === null ? null : checkMilestones(milestones),
    stepSize: stepSize === null ? null : checkInteger('step stepSize', stepSize, 1),
    warmupSteps: checkWarmup(options),
  };
}

/** Half a cosine from the base rate to minLr. Throws a {@link UsageError}. */
export function cosine(options: CosineOptions = {}): CosineSchedule {
  const minLr = options.minLr ?? 0;
  if (!(minLr >= 0 && Number.isFinite(minLr))) {
    throw new UsageError({
      what: 'cosine minLr',
      given: minLr,
      allowed: 'a finite number, at least 0',
    });
  }
  return { kind: 'cosine', minLr, warmupSteps: checkWarmup(options) };
}

function checkWarmup(options: WarmupOptions): number {
  return checkInteger('warmupSteps', options.warmupSteps ?? 0, 0);
}

function checkMilestones(milestones: readonly number[]): readonly number[] {
  if (!Array.isArray(milestones)) {
    throw new UsageError({
      what: 'step milestones',
      given: milestones,
      allowed: 'a list of steps',
    });
  }
  for (const [i, milestone] of milestones.entries()) {
    checkInteger('step milestones', milestone, i === 0 ? 1 : milestones[i - 1]! + 1);
  }
  return milestones;
}

/** Whether the rate depends on how long the run is. */
export function spansRun(schedule: ScheduleSpec): boolean {
  return schedule.kind === 'cosine';
}

/** The learning rate of a step (counted from 0) in a training of `totalSteps`. */
export function learningRateAt(
  schedule: ScheduleSpec,
  baseLr: number,
  step: number,
  totalSteps: number,
): number {
  const { warmupSteps } = schedule;
  const warmup = step < warmupSteps ? (step + 1) / warmupSteps : 1;
  switch (schedule.kind) {
    case 'constant':
      return baseLr * warmup;
    case 'step':
      return baseLr * integerPower(schedule.gamma, milestonesPassed(schedule, step)) * warmup;
    case 'cosine': {
      if (step < warmupSteps) return baseLr * warmup;
      const { minLr } = schedule;
      const decaySteps = totalSteps - warmupSteps;
      const progress = decaySteps > 0 ? Math.min((step - warmupSteps) / decaySteps, 1) : 1;
      return minLr + ((baseLr - minLr) * (1 + cosPi(progress))) / 2;
    }
  }
}

function milestonesPassed(schedule: StepSchedule, step: number): number {
  if (schedule.stepSize !== null) return Math.floor(step / schedule.stepSize);
  let passed = 0;
  for (const milestone of schedule.milestones ?? []) if (step >= milestone) passed++;
  return passed;
}
