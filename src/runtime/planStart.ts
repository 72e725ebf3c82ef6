// Checks a run without starting threads, for programs that want to know whether all their runs can
// work before they start the first.

import { checkInference, checkTraining } from '../plan/feasible.ts';
import { planRun, type RunPlan } from '../plan/plan.ts';
import { parseTrainerOptions } from './door.ts';
import { resolveOptions, type TrainerOptions } from './trainerOptions.ts';

/** The plan of a run. Throws the {@link UsageError} that `Trainer.start` would throw for its
 * options, model and memory. Whether every batch has enough values is left to {@link checkStart}.
 * The model's custom layers must be loaded. */
export function planStart(options: TrainerOptions): RunPlan {
  return planRun(resolveOptions(parseTrainerOptions(options)));
}

/** Throws a {@link UsageError} for what would fail in some step, or in the evaluation of the test
 * samples at the end. */
export function checkStart(plan: RunPlan): void {
  checkTraining(plan);
  const { countTest, countValidation = 0 } = plan.config.data;
  checkInference('Evaluation of the test samples', plan, countTest);
  checkInference('Evaluation of the validation samples', plan, countValidation);
}
