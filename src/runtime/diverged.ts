// Errors of a run whose numbers are no longer finite, made on the main thread from what workers
// found; and errors of requests for a state that such a run, or a failed one, no longer has.

import { RunError, UsageError } from '../base/errors.ts';
import { viewOf } from '../memory/arena.ts';
import { gradientNorm } from '../optim/clip.ts';
import { learningRateAt } from '../optim/learningRate.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { Divergence, NonFinite } from '../train/divergence.ts';
import type { Trained } from '../train/step.ts';

const HINT =
  'a smaller learning rate, warmup steps or clipping; or --on-non-finite continue, ' +
  "onNonFinite: 'continue', to keep training";

/** The error; undefined if all numbers are finite. */
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
    return `the loss or a gradient was not finite, but a repeat of the step was. ${kept}`;
  }
  switch (found.what) {
    case 'input':
      return `training sample ${found.sample}, normalized, is not finite. ${kept}`;
    case 'loss':
      return `the loss is not finite. ${kept}`;
    case 'running statistics':
      return `its running statistics are not finite. ${kept}`;
    case 'total gradient':
      return `its gradients are finite in each part but overflow when summed. ${kept}`;
    default:
      return `its ${found.what} is not finite. ${kept}`;
  }
}

/** The error of saving a run that is not finite: it would replace a state that is. */
export function unsaved(path: string, diverged: RunError): UsageError {
  return new UsageError({
    what: `Saving to ${path}`,
    problem: `is refused because the run diverged in step ${diverged.failure.step}`,
    hint: 'the checkpoint that was written before',
  });
}

/** The error of requesting the state of a run that failed during a step. */
export function tornBy({ message }: Error, what: string): UsageError {
  return new UsageError({
    what: `${what} of a trainer`,
    problem: `is refused because the run failed during a step (${message})`,
    hint: 'Trainer.resume with the last checkpoint',
  });
}
