// What the main thread reads from a run's last snapshot step, even while its workers run.

import { viewOf } from '../memory/arena.ts';
import { type Diagnostics, readDiagnostics } from '../observe/diagnostics.ts';
import { type GradientNorms, readGradientNorms } from '../observe/gradientNorms.ts';
import type { RunPlan } from '../plan/plan.ts';
import { PROGRESS_STEPS } from '../reduce/epochSums.ts';
import { type ControlWords, progressWords } from '../sync/words.ts';

interface ObservedRun {
  readonly plan: RunPlan;
  readonly memory: WebAssembly.Memory;
  readonly words: ControlWords;
  /** Steps completed when the arena was made. */
  readonly step: number;
}

/** The norms' diagnostics; undefined before the first snapshot, or if none are recorded. */
export function lastDiagnostics({
  plan,
  memory,
  words,
  step,
}: ObservedRun): Diagnostics | undefined {
  if (plan.diagnostics === undefined) return undefined;
  const values = viewOf(memory, plan.diagnostics.results);
  return readDiagnostics(plan.diagnostics, values, step, () => countSteps(words));
}

/** The gradients' norms; undefined before the first snapshot, or if none are recorded. */
export function lastGradientNorms({
  plan,
  memory,
  words,
  step,
}: ObservedRun): GradientNorms | undefined {
  if (plan.gradientNorms === undefined) return undefined;
  const { every, squares } = plan.gradientNorms;
  const values = viewOf(memory, squares);
  const stepsDone = (): number => countSteps(words);
  return readGradientNorms(plan.parameters, values, { every, since: step, stepsDone });
}

function countSteps(words: ControlWords): number {
  return Atomics.load(progressWords(words), PROGRESS_STEPS);
}
