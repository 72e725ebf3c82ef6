// The error of a run whose numbers are not finite any more, made by main from what workers found;
// and those of asking for a state that such a run, or one that failed, does not have.

import { RunError, UsageError } from '../base/errors.ts';
import { viewOf } from '../memory/arena.ts';
import { gradientNorm } from '../optim/clip.ts';
import { learningRateAt } from '../optim/learningRate.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { Divergence, NonFinite } from '../train/divergence.ts';
import type { Trained } from '../train/step.ts';

const HINT =
  'a smaller learning rate, warmup steps or clipping; or --on-non-finite continue, ' +
  "onNonFinite: 'continue', to train on all the same";

/** The error; undefined when the run is well. */
export function divergenceOf(
  run: { readonly plan: RunPlan; readonly memory: WebAssembly.Memory },
  trained: readonly Trained[],
  { scheduleSteps, baseLr }: { readonly scheduleSteps: number; readonly baseLr: number },
): RunError | undefined {
  const divergences = trained.flatMap(({ divergence }) => divergence ?? []);
  const [first] = divergences;
  if (first === undefined) return undefined;
  const { plan, memory } = run;
  const { schedule } = plan.config;
  const length = { totalSteps: scheduleSteps, stepsPerEpoch: plan.stepsPerEpoch };
  const found = earliest(divergences);
  const squares = viewOf(memory, plan.regions.parameters.squares);
  return new RunError({
    reason: reasonOf(found, trained[0]!.done > first.step),
    step: first.step,
    ...(found?.layer !== undefined && { layer: found.layer }),
    learningRate: learningRateAt(schedule, baseLr, first.step, length),
    gradientNorm: gradientNorm(squares),
    hint: HINT,
  });
}

function earliest(divergences: readonly Divergence[]): NonFinite | undefined {
  const found = divergences.flatMap((divergence) => divergence.found ?? []);
  return found.sort((a, b) => a.order - b.order || (a.sample ?? 0) - (b.sample ?? 0))[0];
}

function reasonOf(found: NonFinite | undefined, isDone: boolean): string {
  const kept = `The weights are those ${isDone ? 'after' : 'before'} this step.`;
  if (found === undefined) {
    return `the loss or a gradient was not finite, and was when the step was repeated. ${kept}`;
  }
  switch (found.what) {
    case 'input':
      return `training sample ${found.sample}, normalized, is not finite. ${kept}`;
    case 'loss':
      return `the loss is not finite. ${kept}`;
    case 'running statistics':
      return `its running statistics are not finite. ${kept}`;
    case 'total gradient':
      return `its gradients are finite in each part and overflow together. ${kept}`;
    default:
      return `its ${found.what} is not finite. ${kept}`;
  }
}

/** The error of saving a run that is not finite: it would take the place of a state that is. */
export function unsaved(path: string, diverged: RunError): UsageError {
  return new UsageError({
    what: `Saving to ${path}`,
    problem: `is refused since the run diverged in step ${diverged.failure.step}`,
    hint: 'the checkpoint that was written before',
  });
}

/** The error of asking for the state of a run that failed in the midst of a step. */
export function tornBy({ message }: Error, what: string): UsageError {
  return new UsageError({
    what: `${what} of a trainer`,
    problem: `is refused since the run failed within a step (${message})`,
    hint: 'Trainer.resume with the last checkpoint',
  });
}
