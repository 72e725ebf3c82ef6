// The Trainer: from a model and a dataset to a trained network, on all cores. The code that runs it
// is loaded when the first one starts, so a program that only makes models and data does not wait
// for it.

import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { TrainingData } from '../data/chunked/chunkedDataset.ts';
import { findLauncher } from '../mpi/launcher.ts';
import type { ResumeOptions } from './resume.ts';
import type { TrainerOptions } from './trainerOptions.ts';
import type { RunningTrainer } from './trainerTypes.ts';

/** A run, as {@link RunningTrainer} describes it. */
export type Trainer = RunningTrainer;

/** Starts runs. */
export const Trainer = {
  /** Plans a run, fills its memory and starts its threads. Throws a {@link UsageError} if options
   * do not fit together, before any thread is started.
   *
   * @example
   * await using run = await Trainer.start({
   *   model: nn.sequential([nn.flatten(), nn.linear(64, 10)]),
   *   data: synthetic({ train: 256, test: 64, shape: [8, 8, 1] }),
   *   optimizer: optim.sgd({ lr: 0.1 }),
   * });
   */
  async start(options: TrainerOptions<TrainingData>): Promise<Trainer> {
    const { startOn } = await import('./start.ts');
    return startOn(await join(options), options);
  },

  /** Resumes from a checkpoint, on any number of workers, with the same bits as an uninterrupted
   * run. The data must be the checkpoint's. Throws a {@link UsageError} if the file is not a
   * checkpoint, is damaged, or does not fit the data.
   *
   * @example
   * await using resumed = await Trainer.resume('run.ckpt', { data });
   */
  async resume(checkpoint: string | Checkpoint, options: ResumeOptions): Promise<Trainer> {
    const { resumeOn } = await import('./start.ts');
    return resumeOn(await join(options), checkpoint, options);
  },
};

/** The network of this process; undefined if no launcher started it with others. A valid timeout
 * applies here, before the options are checked. */
async function join(options: { readonly timeoutMs?: number } | undefined) {
  if (findLauncher(process.env) === undefined) return undefined;
  const timeoutMs = options?.timeoutMs;
  const { joinProcesses } = await import('./mpiNetwork.ts');
  return joinProcesses(Number.isSafeInteger(timeoutMs) ? timeoutMs : undefined);
}

/** Loads the code that runs trainers, for a program that reads its data in the meantime. */
export async function loadTrainer(): Promise<void> {
  const [{ loadPool }] = await Promise.all([import('./crew.ts'), import('./start.ts')]);
  await loadPool();
}
