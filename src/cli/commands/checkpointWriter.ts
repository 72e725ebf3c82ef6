// The checkpoints of a run: each is written beside training. When one cannot be written, the next
// are tried; the first that fails is reported, and so is the first that works again. Only when the
// last one is missing in the end has the run failed.

import { RunError } from '../../base/errors.ts';
import { messageOf } from '../../base/showError.ts';
import type { CheckpointNote } from '../../checkpoint/checkpoint.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import type { RunEvent } from '../output/events.ts';

export interface CheckpointPlan {
  /** Undefined for a run without checkpoints. */
  readonly path: string | undefined;
  /** The step that the file holds already. */
  readonly heldStep: number | undefined;
  readonly keep: number | undefined;
  readonly overwrite: boolean;
  readonly note: CheckpointNote;
}

export interface CheckpointWriter {
  /** Takes the state as it is and writes it, after the one before. Settles when training may go
   * on. */
  write(): Promise<void>;
  /** Settles when the state as it is, is in the file. Throws a {@link RunError} when that cannot
   * be. */
  finish(): Promise<void>;
  /** Settles when what was begun is in the file. Throws a {@link RunError} when that cannot be. */
  settle(): Promise<void>;
}

export function checkpointWriter(
  trainer: Trainer,
  plan: CheckpointPlan,
  tell: (event: RunEvent) => void,
): CheckpointWriter {
  const { path, keep, overwrite, note } = plan;
  let held = plan.heldStep;
  let begun = plan.heldStep;
  let failure: unknown;
  let missed = 0;
  let writing: Promise<void> = Promise.resolve();
  let tried = 0;

  const save = async (file: string, step: number): Promise<void> => {
    tried = step;
    try {
      await trainer.save(file, { overwrite, note, ...(keep !== undefined && { keep }) });
      failure = undefined;
      held = step;
      if (missed > 0) tell({ event: 'notice', message: recovered(missed) });
      missed = 0;
      tell({ event: 'checkpoint', path: file, step });
    } catch (error) {
      failure = error;
      begun = undefined;
      missed++;
      if (missed === 1) tell({ event: 'notice', message: notWritten(step, error) });
    }
  };

  const write = async (): Promise<void> => {
    if (path === undefined || begun === trainer.step) return;
    await writing;
    begun = trainer.step;
    writing = save(path, begun);
  };

  const settle = async (): Promise<void> => {
    await writing;
    if (failure === undefined) return;
    const reason = `The state of step ${tried} is lost: ${messageOf(failure)}`;
    throw new RunError({ reason }, { cause: failure });
  };

  return {
    write,
    settle,
    async finish() {
      await writing;
      if (path === undefined || held === trainer.step) return;
      await write();
      await settle();
    },
  };
}

function notWritten(step: number, error: unknown): string {
  const missing = `The checkpoint of step ${step} was not written: ${messageOf(error)}`;
  return `${missing} The run goes on and tries again at the next one.`;
}

function recovered(missed: number): string {
  const before = missed === 1 ? 'the one before was not' : `${missed} before were not`;
  return `Checkpoints are written again; ${before}.`;
}
