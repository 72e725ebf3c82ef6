// The start of a run without the run: everything that is checked before a thread starts, for
// programs that want to know of all their runs whether they can be done, before they do the first.

import { checkInference, checkTraining } from '../plan/feasible.ts';
import { planRun, type RunPlan } from '../plan/plan.ts';
import { parseTrainerOptions } from './door.ts';
import { resolveOptions, type TrainerOptions } from './trainerOptions.ts';

/** The plan of a run. Throws the {@link UsageError} that `Trainer.start` would for its options,
 * model and memory; whether every batch has enough values is for {@link checkStart}. The custom
 * layers of the model must be loaded. */
export function planStart(options: TrainerOptions): RunPlan {
  return planRun(resolveOptions(parseTrainerOptions(options)));
}

/** Refuses what would fail in some step, or in the evaluation of the test samples at the end. */
export function checkStart(plan: RunPlan): void {
  checkTraining(plan);
  const { countTest, countValidation = 0 } = plan.config.data;
  checkInference('Evaluation of the test samples', plan, countTest);
  checkInference('Evaluation of the validation samples', plan, countValidation);
}
