// The loop of fit: for each epoch, its steps, its validation, and the decisions that follow from
// it. Between two epochs, while the caller has the progress, the run accepts other calls.

import type { RunPlan } from '../plan/plan.ts';
import type { EpochState } from '../reduce/epochSums.ts';
import type { Evaluation } from './evaluation.ts';
import type { Monitoring } from './monitoring.ts';
import { gatherJson, type Network } from './network.ts';
import { type FitOptions, type FitPosition, type Progress, progressOf } from './progress.ts';

/** What the loop needs of a run. */
export interface FittingRun {
  readonly plan: RunPlan;
  readonly network: Network | undefined;
  readonly monitoring: Monitoring;
  /** Total steps completed. */
  readonly done: number;
  /** Whether any process was asked to stop. */
  readonly isStopping: boolean;
  /** Trains up to a step and yields the progress periodically. */
  train(to: number, everyMs: number | undefined): AsyncGenerator<EpochState, void, void>;
  epochState(): EpochState;
  diagnostics(): FitPosition['diagnostics'];
  evaluate(split: NonNullable<FitOptions['validate']>): Promise<Evaluation>;
  stop(): void;
  /** Frees the run for other calls, and occupies it again once they have finished. */
  pause(): void;
  resume(): Promise<void>;
}

/** Trains a run that has a schedule of the given length in steps. */
export async function* fitting(
  run: FittingRun,
  options: FitOptions,
  scheduleSteps: number,
): AsyncGenerator<Progress, void, void> {
  const { stepsPerEpoch } = run.plan;
  const { epochs, validate, signal, progressEveryMs } = options;
  const totalSteps = epochs * stepsPerEpoch;
  const lastStep = Math.min(totalSteps, options.maxSteps ?? totalSteps);
  const first = run.done;
  let trainedMs = 0;
  const stop = (): void => run.stop();
  signal?.addEventListener('abort', stop);
  try {
    while (run.done < lastStep && !run.monitoring.isOver(options)) {
      const { baseLr } = run.monitoring;
      const epochEnd = (Math.floor(run.done / stepsPerEpoch) + 1) * stepsPerEpoch;
      const startMs = performance.now();
      const position = (): FitPosition => ({
        ...{ epochs, first, scheduleSteps, baseLr },
        state: run.epochState(),
        trainedMs: trainedMs + performance.now() - startMs,
        diagnostics: run.diagnostics(),
      });
      if (await isAborted(run.network, signal)) {
        run.pause();
        yield progressOf('stopped', run.plan, position());
        return;
      }
      for await (const state of run.train(Math.min(epochEnd, lastStep), progressEveryMs)) {
        yield progressOf('progress', run.plan, { ...position(), state });
      }
      const isEpochEnd = run.done === epochEnd;
      const isStopped = !isEpochEnd || (run.isStopping && run.done < totalSteps);
      const ended = position();
      trainedMs = ended.trainedMs;
      const validation =
        isEpochEnd && validate !== undefined ? await run.evaluate(validate) : undefined;
      if (validation !== undefined) {
        const at = { epoch: epochEnd / stepsPerEpoch, step: epochEnd };
        run.monitoring.take(options, validation, at);
      }
      const decided = {
        validation,
        best: run.monitoring.bestFor(options),
        stopsEarly: isEpochEnd && run.monitoring.isOver(options),
      };
      run.pause();
      yield progressOf(isStopped ? 'stopped' : 'epoch', run.plan, { ...ended, ...decided });
      if (isStopped) return;
      await run.resume();
    }
    const isOver = run.done >= totalSteps || run.monitoring.isOver(options);
    if (isOver && options.restoreBest === true) run.monitoring.restore();
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Whether the signal is aborted in any process. */
async function isAborted(
  network: Network | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (signal === undefined) return false;
  if (network === undefined) return signal.aborted;
  return (await gatherJson(network, signal.aborted)).some((aborted) => aborted);
}
