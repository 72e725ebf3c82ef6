// The checkpoints of a run, each written during training. If one cannot be written, later ones are
// tried. The first failure is reported, and so is the first success after it. The run has failed
// only if the last checkpoint is missing at the end.

import { RunError } from '../../base/errors.ts';
import { messageOf } from '../../base/showError.ts';
import type { CheckpointNote } from '../../checkpoint/checkpoint.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import type { RunEvent } from '../output/events.ts';

export interface CheckpointPlan {
  /** Undefined for a run without checkpoints. */
  readonly path: string | undefined;
  /** The step of the checkpoint that is already in the file. */
  readonly heldStep: number | undefined;
  readonly keep: number | undefined;
  readonly overwrite: boolean;
  readonly note: CheckpointNote;
}

export interface CheckpointWriter {
  /** Writes the current state, after earlier ones. Settles when training may continue. */
  write(): Promise<void>;
  /** Settles when the current state is in the file. Throws a {@link RunError} if that fails. */
  finish(): Promise<void>;
  /** Settles when all started writes are in the file. Throws a {@link RunError} if one fails. */
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
  return `${missing} The run continues and tries again at the next one.`;
}

function recovered(missed: number): string {
  const before = missed === 1 ? 'the previous one was not' : `the previous ${missed} were not`;
  return `Checkpoints are written again; ${before}.`;
}
