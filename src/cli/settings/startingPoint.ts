// Where a run starts and where its checkpoints go: --checkpoint, --resume, --resume-or-start and
// --overwrite. A file that holds another run is replaced on request only, and a run that was there
// is never started over in silence.

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
  /** What to go on from; undefined for a new run. */
  readonly resumed: { readonly path: string; readonly saved: CheckpointHead } | undefined;
  /** Whether the flags describe a whole run, so that none of them asks for a conversion. */
  readonly isRestart: boolean;
  /** Where checkpoints go. */
  readonly checkpoint: string | undefined;
  /** The step that the file for checkpoints holds already. */
  readonly heldStep: number | undefined;
  /** What the user should know about it. */
  readonly notices: readonly string[];
}

const FRESH: StartingPoint = {
  resumed: undefined,
  isRestart: false,
  checkpoint: undefined,
  heldStep: undefined,
  notices: [],
};

/** Reads the flags and the files that they name. Throws a {@link UsageError} for files that would
 * be lost, and for flags that do not fit together. */
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
  // Other norms make another run, which does not replace the one that it came from.
  if (!flags.has('norm')) {
    return { ...FRESH, resumed, checkpoint: resume, heldStep: resumed.saved.counters.step };
  }
  const notice =
    '--norm makes another run of the checkpoint; it is kept only where --checkpoint names a file.';
  return { ...FRESH, resumed, notices: [notice] };
}

/** A restart loop gives the same command again and again. */
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
      problem: `does not go with --resume-or-start ${path}, which reads and writes that file`,
      hint: `leaving --${name} out`,
    });
  }
  const point = { ...FRESH, isRestart: true, checkpoint: path };
  if (existsSync(path)) {
    const saved = await readOrPropose(path);
    const notice = `going on from step ${saved.counters.step} of ${path}.`;
    const heldStep = saved.counters.step;
    return { ...point, resumed: { path, saved }, heldStep, notices: [notice] };
  }
  const { kept, unfinished } = besides(path);
  if (kept[0] !== undefined) {
    throw new UsageError({
      what: `--resume-or-start ${path}`,
      problem: `finds no such file, but older checkpoints of it: ${kept.join(', ')}`,
      hint: `cp ${kept[0]} ${path} to go on from there, or another file name to start anew`,
    });
  }
  const left = unfinished.map((file) => `${file} is a save that was cut off and never complete.`);
  return { ...point, notices: [`${path} is not there: a new run.`, ...left] };
}

/** A damaged checkpoint is never replaced by a new run; older ones beside it are named. */
async function readOrPropose(path: string): Promise<CheckpointHead> {
  try {
    return (await openCheckpoint(path)).head;
  } catch (error) {
    const { kept } = besides(path);
    if (!(error instanceof UsageError)) throw error;
    const found = kept.length === 0 ? 'no older one is beside it' : `older: ${kept.join(', ')}`;
    throw new UsageError({
      what: `--resume-or-start ${path}`,
      problem: `cannot go on (${error.message.replace(/\.$/, '')}); ${found}`,
      hint:
        kept[0] === undefined
          ? `moving ${path} away to start anew`
          : `mv ${path} ${path}.damaged; cp ${kept[0]} ${path}`,
    });
  }
}

/** Files beside a checkpoint that saving has made: older ones that were kept, the newest first, and
 * what is left of saves that were cut off. */
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

/** Throws where a file is there that is not asked to be replaced. */
export function refuseExisting(path: string, flag = '--checkpoint'): void {
  const hint =
    flag === '--checkpoint'
      ? `--resume ${path} to go on from it, --overwrite to replace it`
      : '--overwrite to replace it';
  refuseExistingFile(path, `${flag} ${path}`, hint);
}
