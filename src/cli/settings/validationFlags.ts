// The flags of `syncbn train` for validation: which samples, when to stop early, and where to write
// the best epoch.

import { UsageError } from '../../base/errors.ts';
import type { CheckpointHead } from '../../checkpoint/checkpoint.ts';
import { runIdOf } from '../../checkpoint/checkpoint.ts';
import { MONITORS, VALIDATION_SPLITS } from '../../optim/monitor.ts';
import type { FitOptions } from '../../runtime/progress.ts';
import { checkReplaceable } from '../../runtime/saving.ts';
import type { Flags } from './flags.ts';

/** Options for each fit of a run. */
export type ValidationAsked = Pick<FitOptions, 'validate' | 'earlyStopping' | 'keepBest'>;

/** Reads the flags; `isHeldOut` says whether the run, or its checkpoint, holds out training
 * samples. Throws a {@link UsageError} for flags that need a validation without one. */
export function validationFrom(flags: Flags, isHeldOut: boolean): ValidationAsked {
  const validate =
    flags.choice('validate', VALIDATION_SPLITS) ?? (isHeldOut ? 'validation' : undefined);
  const patience = flags.integer('early-stopping', 1);
  const monitor = flags.choice('monitor', MONITORS);
  const minDelta = flags.number('min-delta', 0);
  const isBestAsked = flags.has('best');
  const isPlateau = flags.text('schedule') === 'plateau';
  for (const name of ['early-stopping', 'best', 'monitor']) {
    if (flags.has(name) && validate === undefined) throw needs(name, '--validate test');
  }
  if (flags.has('min-delta') && patience === undefined) {
    throw needs('min-delta', '--early-stopping 5');
  }
  if (monitor !== undefined && patience === undefined && !isBestAsked && !isPlateau) {
    throw needs('monitor', '--early-stopping 5, --best best.ckpt or --schedule plateau');
  }
  const early = {
    ...(monitor !== undefined && { monitor }),
    ...(minDelta !== undefined && { minDelta }),
  };
  return {
    ...(validate !== undefined && { validate }),
    ...(patience !== undefined && { earlyStopping: { patience, ...early } }),
    ...(isBestAsked && { keepBest: monitor ?? true }),
  };
}

function needs(flag: string, hint: string): UsageError {
  const what = hint.startsWith('--validate') ? 'a validation' : 'a flag that uses it';
  return new UsageError({ what: `--${flag}`, problem: `requires ${what}`, hint });
}

/** Checks the file for the best epoch before anything runs: it must not belong to another run, and
 * a resumed run must find its best epoch there, or a later one that it will repeat. */
export async function checkBestFile(
  path: string,
  resumed: CheckpointHead | undefined,
  isForced: boolean,
): Promise<void> {
  const runId = resumed === undefined ? 'a new run' : runIdOf(resumed);
  const held = await checkReplaceable(path, runId, isForced);
  const best = resumed?.monitored?.best;
  if (best === undefined || best.epoch === 0) return;
  if (held !== undefined && held.counters.step >= best.step) return;
  throw new UsageError({
    what: `--best ${path}`,
    problem: `does not hold the best epoch of the run so far, epoch ${best.epoch}`,
    hint: 'the file that the run wrote before, or leaving --best out',
  });
}
