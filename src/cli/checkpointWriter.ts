// The checkpoints of a run: each is written beside training. One that cannot be written is said and
// tried again at the next; only when the last one is missing in the end has the run failed.

import { RunError } from '../base/errors.ts';
import { showError } from '../base/showError.ts';
import type { Trainer } from '../runtime/trainer.ts';
import type { RunEvent } from './events.ts';

export interface CheckpointPlan {
  /** Undefined for a run without checkpoints. */
  readonly path: string | undefined;
  /** The step that the file holds already. */
  readonly heldStep: number | undefined;
  readonly keep: number | undefined;
  readonly overwrite: boolean;
}

export interface CheckpointWriter {
  /** Takes the state as it is and writes it, after the one before. Settles when training may go
   * on. */
  write(): Promise<void>;
  /** Settles when the state as it is, is in the file. Throws a {@link RunError} when that cannot
   * be. */
  finish(): Promise<void>;
}

export function checkpointWriter(
  trainer: Trainer,
  plan: CheckpointPlan,
  tell: (event: RunEvent) => void,
): CheckpointWriter {
  const { path, keep, overwrite } = plan;
  let held = plan.heldStep;
  let begun = plan.heldStep;
  let failure: unknown;
  let writing: Promise<void> = Promise.resolve();

  const save = async (file: string, step: number): Promise<void> => {
    try {
      await trainer.save(file, { overwrite, ...(keep !== undefined && { keep }) });
      failure = undefined;
      held = step;
      tell({ event: 'checkpoint', path: file, step });
    } catch (error) {
      failure = error;
      begun = undefined;
      const message = `The checkpoint of step ${step} is not written: ${showError(error)}`;
      tell({ event: 'notice', message: `${message} The run goes on.` });
    }
  };

  const write = async (): Promise<void> => {
    if (path === undefined || begun === trainer.step) return;
    await writing;
    begun = trainer.step;
    writing = save(path, begun);
  };

  return {
    write,
    async finish() {
      await writing;
      if (path === undefined || held === trainer.step) return;
      await write();
      await writing;
      if (failure === undefined) return;
      const reason = `The state of step ${trainer.step} is lost: ${showError(failure)}`;
      throw new RunError({ reason }, { cause: failure });
    },
  };
}
