// Learning rates as a function of the step. Pure; steps are optimizer steps counted from 0, warmup
// included. Cosine: Loshchilov and Hutter 2017 (without restarts); warmup: Goyal et al. 2017.

import { cosPi, integerPower } from './portable.ts';
import type { ScheduleSpec, StepSchedule } from './schedule.ts';

/** Whether the rate depends on how long the run is. */
export function spansRun(schedule: ScheduleSpec): boolean {
  return schedule.kind === 'cosine';
}

/** The learning rate of a step (counted from 0) in a training of `totalSteps`; `baseLr` is the
 * optimizer's, of a plateau schedule what it has come to. */
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
    case 'plateau':
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
