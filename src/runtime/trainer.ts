// The Trainer: from a model and a dataset to a trained network, on all cores.

import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { joinProcesses } from './mpiNetwork.ts';
import type { ResumeOptions } from './resume.ts';
import { resumeOn, startOn } from './start.ts';
import type { TrainerOptions } from './trainerOptions.ts';
import type { RunningTrainer } from './trainerTypes.ts';

/** A run: a model, its data, and the threads that train it. */
export type Trainer = RunningTrainer;

/** Starts runs. */
export const Trainer = {
  /** Plans a run, fills its memory and starts its threads. Throws a {@link UsageError} for options
   * that do not fit together, before any thread is started. */
  async start(options: TrainerOptions): Promise<Trainer> {
    return startOn(await joinProcesses(timeoutOf(options)), options);
  },

  /** Goes on from a checkpoint, on any number of workers, with the same bits as an uninterrupted
   * run. The data must be the checkpoint's. */
  async resume(checkpoint: string | Checkpoint, options: ResumeOptions): Promise<Trainer> {
    return resumeOn(await joinProcesses(timeoutOf(options)), checkpoint, options);
  },
};

/** The timeout, where it is one: the options are not checked yet. */
function timeoutOf(options: { readonly timeoutMs?: number } | undefined): number | undefined {
  const timeoutMs = options?.timeoutMs;
  return Number.isSafeInteger(timeoutMs) ? timeoutMs : undefined;
}
