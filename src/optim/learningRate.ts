// Learning rates as a function of the step. Pure; steps are optimizer steps counted from 0, warmup
// included. Cosine and warm restarts: Loshchilov and Hutter 2017; warmup: Goyal et al. 2017;
// one cycle: Smith and Topin 2018, in PyTorch's form.

import type { OneCycleSchedule, WarmRestartsSchedule } from './cycles.ts';
import type { PointsSchedule } from './decays.ts';
import { cosPi, integerPower, power } from './portable.ts';
import type { ScheduleSpec, StepSchedule } from './schedule.ts';

/** The step counts that a rate depends on besides the schedule. */
export interface RunSteps {
  /** Total steps of the run. */
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
}

/** Whether the rate depends on how long the run is. */
export function spansRun({ kind }: ScheduleSpec): boolean {
  return kind === 'cosine' || kind === 'polynomial' || kind === 'oneCycle';
}

/** The learning rate of a step of a run, counted from 0. `baseLr` is the optimizer's rate or, for a
 * plateau schedule, the current one. */
export function learningRateAt(
  schedule: ScheduleSpec,
  baseLr: number,
  step: number,
  run: RunSteps,
): number {
  const warmupSteps = warmupStepsOf(schedule, run);
  const warmup = step < warmupSteps ? (step + 1) / warmupSteps : 1;
  const unit = 'unit' in schedule ? run.stepsPerEpoch : 1;
  // The steps of schedules that begin after the warmup.
  const stepsDone = step - warmupSteps;
  const decaySteps = run.totalSteps - warmupSteps;
  const progress = decaySteps > 0 ? Math.min(stepsDone / decaySteps, 1) : 1;
  switch (schedule.kind) {
    case 'constant':
    case 'plateau':
      return baseLr * warmup;
    case 'step':
      return baseLr * integerPower(schedule.gamma, milestonesPassed(schedule, step, unit)) * warmup;
    case 'exponential':
      return baseLr * integerPower(schedule.gamma, Math.floor(step / unit)) * warmup;
    case 'cosine':
      if (step < warmupSteps) return baseLr * warmup;
      return halfCosine(baseLr, schedule.minLr, progress);
    case 'polynomial': {
      if (step < warmupSteps) return baseLr * warmup;
      const { minLr } = schedule;
      return minLr + (baseLr - minLr) * power(1 - progress, schedule.power);
    }
    case 'warmRestarts':
      if (step < warmupSteps) return baseLr * warmup;
      return halfCosine(baseLr, schedule.minLr, sinceRestart(schedule, stepsDone, unit));
    case 'oneCycle':
      return inCycle(schedule, baseLr, step, run.totalSteps);
    case 'points':
      return baseLr * factorAt(schedule, step / unit);
  }
}

function warmupStepsOf(schedule: ScheduleSpec, { stepsPerEpoch }: RunSteps): number {
  if (!('warmupSteps' in schedule)) return 0;
  const { warmupSteps, warmupEpochs } = schedule;
  return warmupEpochs === undefined ? warmupSteps : Math.round(warmupEpochs * stepsPerEpoch);
}

/** Goes from `from` to `to` as the progress goes from 0 to 1. */
function halfCosine(from: number, to: number, progress: number): number {
  return to + ((from - to) * (1 + cosPi(progress))) / 2;
}

function milestonesPassed(schedule: StepSchedule, step: number, unit: number): number {
  if (schedule.stepSize !== null) return Math.floor(step / (schedule.stepSize * unit));
  let passed = 0;
  for (const milestone of schedule.milestones ?? []) if (step >= milestone * unit) passed++;
  return passed;
}

/** The completed fraction of the current half cosine. */
function sinceRestart(
  { period, multiplier }: WarmRestartsSchedule,
  stepsDone: number,
  unit: number,
): number {
  let length = period * unit;
  if (multiplier === 1) return (stepsDone % length) / length;
  let left = stepsDone;
  while (left >= length) {
    left -= length;
    length *= multiplier;
  }
  return left / length;
}

/** PyTorch's steps run from 0 to totalSteps - 1, and the second phase ends at the last step. */
function inCycle(
  { pctStart, divFactor, finalDivFactor, annealStrategy }: OneCycleSchedule,
  maxLr: number,
  step: number,
  totalSteps: number,
): number {
  const firstLr = maxLr / divFactor;
  const lastLr = firstLr / finalDivFactor;
  const top = pctStart * totalSteps - 1;
  const isRising = step <= top;
  const share = isRising ? (top > 0 ? step / top : 1) : (step - top) / (totalSteps - 1 - top);
  const progress = Math.min(share, 1);
  const [from, to] = isRising ? [firstLr, maxLr] : [maxLr, lastLr];
  if (annealStrategy === 'cos') return halfCosine(from, to, progress);
  return from + (to - from) * progress;
}

/** The factor at a place, interpolated linearly between the adjacent points. */
function factorAt({ points }: PointsSchedule, place: number): number {
  const next = points.findIndex(([at]) => at > place);
  if (next === -1) return points.at(-1)![1];
  const [toAt, to] = points[next]!;
  if (next === 0) return to;
  const [fromAt, from] = points[next - 1]!;
  return from + ((to - from) * (place - fromAt)) / (toAt - fromAt);
}
