// Where a run starts and where its checkpoints go: --checkpoint, --resume, --resume-or-start and
// --overwrite. A file of another run is replaced only on request, and an existing run is never
// silently restarted.

import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { refuseExistingFile } from '../../base/regularFile.ts';
import type { CheckpointHead } from '../../checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { keptBeside } from '../../runtime/saving.ts';
import type { Flags } from './flags.ts';
import { isSameFile } from './separateFiles.ts';

export interface StartingPoint {
  /** The checkpoint to resume; undefined for a new run. */
  readonly resumed: { readonly path: string; readonly saved: CheckpointHead } | undefined;
  /** Whether the flags describe the whole run, so that none of them requests a conversion. */
  readonly isRestart: boolean;
  /** The file for checkpoints. */
  readonly checkpoint: string | undefined;
  /** The step of the checkpoint that is already in that file. */
  readonly heldStep: number | undefined;
  /** What the user should know about the start. */
  readonly notices: readonly string[];
}

const FRESH: StartingPoint = {
  resumed: undefined,
  isRestart: false,
  checkpoint: undefined,
  heldStep: undefined,
  notices: [],
};

/** Reads the flags and the files that they name. Throws a {@link UsageError} if files would be
 * lost, and if flags do not fit together. */
export async function startingPoint(flags: Flags): Promise<StartingPoint> {
  const resume = flags.text('resume');
  const restart = flags.text('resume-or-start');
  const checkpoint = flags.text('checkpoint');
  if (flags.isSet('overwrite') && checkpoint === undefined && !flags.has('best')) {
    throw new UsageError({ what: '--overwrite', problem: 'requires --checkpoint or --best' });
  }
  if (restart !== undefined) return restartFrom(restart, resume, checkpoint);
  if (resume === undefined) {
    if (checkpoint !== undefined && !flags.isSet('overwrite')) refuseExisting(checkpoint);
    return { ...FRESH, checkpoint };
  }
  const resumed = { path: resume, saved: (await openCheckpoint(resume)).head };
  if (checkpoint !== undefined) {
    if (!isSameFile(resume, checkpoint) && !flags.isSet('overwrite')) refuseExisting(checkpoint);
    const isSame = isSameFile(resume, checkpoint) && !flags.has('norm');
    const heldStep = isSame ? resumed.saved.counters.step : undefined;
    return { ...FRESH, resumed, checkpoint, heldStep };
  }
  // Other norms make another run, which must not replace the original one.
  if (!flags.has('norm')) {
    return { ...FRESH, resumed, checkpoint: resume, heldStep: resumed.saved.counters.step };
  }
  const notice =
    '--norm makes another run from the checkpoint; it is saved only if --checkpoint names a file.';
  return { ...FRESH, resumed, notices: [notice] };
}

/** A restart loop repeats the same command. */
async function restartFrom(
  path: string,
  resume: string | undefined,
  checkpoint: string | undefined,
): Promise<StartingPoint> {
  for (const [name, other] of [
    ['resume', resume],
    ['checkpoint', checkpoint],
  ] as const) {
    if (other === undefined || (name === 'checkpoint' && isSameFile(path, other))) continue;
    throw new UsageError({
      what: `--${name} ${other}`,
      problem: `cannot be combined with --resume-or-start ${path}, which reads and writes it`,
      hint: `leaving --${name} out`,
    });
  }
  const point = { ...FRESH, isRestart: true, checkpoint: path };
  if (existsSync(path)) {
    const saved = await readOrPropose(path);
    const notice = `resuming from step ${saved.counters.step} of ${path}.`;
    const heldStep = saved.counters.step;
    return { ...point, resumed: { path, saved }, heldStep, notices: [notice] };
  }
  const { kept, unfinished } = besides(path);
  if (kept[0] !== undefined) {
    throw new UsageError({
      what: `--resume-or-start ${path}`,
      problem: `does not find this file, only older checkpoints: ${kept.join(', ')}`,
      hint: `cp ${kept[0]} ${path} to resume from it, or another file name for a new run`,
    });
  }
  const left = unfinished.map((file) => `${file} is an incomplete save.`);
  return { ...point, notices: [`${path} does not exist: starting a new run.`, ...left] };
}

/** A damaged checkpoint is never replaced by a new run; the error names older ones beside it. */
async function readOrPropose(path: string): Promise<CheckpointHead> {
  try {
    return (await openCheckpoint(path)).head;
  } catch (error) {
    const { kept } = besides(path);
    if (!(error instanceof UsageError)) throw error;
    const found =
      kept.length === 0 ? 'there is no older one beside it' : `older: ${kept.join(', ')}`;
    throw new UsageError({
      what: `--resume-or-start ${path}`,
      problem: `cannot resume (${error.message.replace(/\.$/, '')}); ${found}`,
      hint:
        kept[0] === undefined
          ? `moving ${path} away for a new run`
          : `mv ${path} ${path}.damaged; cp ${kept[0]} ${path}`,
    });
  }
}

/** Files that saving has left beside a checkpoint: older checkpoints, newest first, and incomplete
 * saves. */
function besides(path: string): {
  readonly kept: readonly string[];
  readonly unfinished: readonly string[];
} {
  const folder = dirname(path);
  const prefix = `${basename(path)}.`;
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const unfinished = names.filter((name) => name.startsWith(prefix) && name.endsWith('.tmp'));
  return {
    kept: keptBeside(path).map(({ file }) => file),
    unfinished: unfinished.map((name) => join(folder, name)),
  };
}

/** Throws if a file exists and replacing it was not requested. */
export function refuseExisting(path: string, flag = '--checkpoint'): void {
  const hint =
    flag === '--checkpoint'
      ? `--resume ${path} to resume it, --overwrite to replace it`
      : '--overwrite to replace it';
  refuseExistingFile(path, `${flag} ${path}`, hint);
}
