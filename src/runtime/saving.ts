// Saves a run. A consistent state is written to a file while training continues, if memory allows
// it, one file at a time. Files of other runs are not replaced, and older checkpoints are kept on
// request.

import { existsSync, readdirSync } from 'node:fs';
import { copyFile, link, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { fileError } from '../base/fileError.ts';
import type { Checkpoint, CheckpointHead, CheckpointNote } from '../checkpoint/checkpoint.ts';
import { runIdOf } from '../checkpoint/checkpoint.ts';
import { openCheckpoint, writeCheckpoint } from '../checkpoint/checkpointFile.ts';

/** The options of {@link RunningTrainer.save}. */
export interface SaveOptions {
  /** Whether to replace a file of another run, or one that is not a checkpoint; default false. */
  readonly overwrite?: boolean;
  /** How many checkpoints of the run to keep: the new one and the previous ones beside it, named
   * after their steps (`run.step-1200.ckpt`). Default 1. */
  readonly keep?: number;
  /** In a run of several processes, writes the file in each of them rather than only in the first
   * one; default false. */
  readonly ofEachProcess?: boolean;
  /** Facts to keep in the file for its readers, by names of your choice, such as where the data is.
   * They decide nothing, and a later save has only its own. Default none. */
  readonly note?: CheckpointNote;
}

/** The state is copied if the copy takes at most this fraction of the available memory, so that
 * training continues while the copy is written. */
const SNAPSHOT_SHARE = 0.25;

type Hold = <T>(use: () => Promise<T>) => Promise<T>;

export class Saver {
  /** The file that is being written; the next one waits for it. */
  private writing: Promise<unknown> = Promise.resolve();
  private readonly open = new Set<Promise<void>>();

  /** Writes a state to a file, after earlier saves. `hold` keeps the run from changing the state
   * until it has been read. */
  save(path: string, state: Checkpoint, options: SaveOptions, hold: Hold): Promise<void> {
    const saving = this.take(path, state, options, hold);
    const end = (): void => {
      this.open.delete(saving);
    };
    this.open.add(saving);
    saving.then(end, end);
    return saving;
  }

  /** Settles when all files are written, even if some failed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.open);
  }

  private async take(
    path: string,
    state: Checkpoint,
    options: SaveOptions,
    hold: Hold,
  ): Promise<void> {
    const { keep = 1, overwrite = false } = options;
    const write = async (checkpoint: Checkpoint): Promise<void> => {
      const old = await checkReplaceable(path, runIdOf(checkpoint), overwrite);
      if (old !== undefined && keep > 1) await keepBeside(path, old);
      await writeCheckpoint(path, checkpoint);
      if (keep > 1) await removeOlder(path, runIdOf(checkpoint), keep - 1);
    };
    if (!fitsTwice(state)) return hold(() => this.queue(() => write(state)));
    const snapshot = await hold(async () => copyOf(state));
    return this.queue(() => write(snapshot));
  }

  private queue(run: () => Promise<void>): Promise<void> {
    const written = this.writing.then(run);
    this.writing = written.catch(() => {});
    return written;
  }
}

/** The checkpoint of this run that a save to `path` replaces, if there is one. Throws a {@link
 * UsageError} if it would replace a file of another run, or a file that is not a checkpoint, unless
 * `overwrite` is set. */
export async function checkReplaceable(
  path: string,
  runId: string,
  isForced: boolean,
): Promise<CheckpointHead | undefined> {
  const old = await headIfAny(path);
  if (typeof old === 'object' && runIdOf(old) === runId) return old;
  if (old === 'nothing' || isForced) return undefined;
  const problem =
    old === 'other'
      ? 'is a file that is not a checkpoint, and would be replaced'
      : 'is the checkpoint of another run, and would be replaced';
  throw new UsageError({
    what: `The file to save to, ${path},`,
    problem,
    hint: 'another name, resuming from it, or overwrite (--overwrite)',
  });
}

/** An empty file does not count: programs create those to reserve a name. */
async function headIfAny(path: string): Promise<CheckpointHead | 'nothing' | 'other'> {
  try {
    if ((await stat(path)).size === 0) return 'nothing';
    return (await openCheckpoint(path)).head;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'nothing';
    if (error instanceof UsageError) return 'other';
    throw fileError(`checkpoint to write, ${path}`, error, 'a file in a folder that can be read');
  }
}

/** Links the old checkpoint to a second name that has its step. */
async function keepBeside(path: string, { counters }: CheckpointHead): Promise<void> {
  const { folder, stem, extension } = partsOf(path);
  const name = join(folder, `${stem}.step-${counters.step}${extension}`);
  await rm(name, { force: true });
  try {
    await link(path, name);
  } catch {
    // Not every file system has hard links.
    await copyFile(path, name);
  }
}

/** Removes the run's own checkpoints beside `path`, except for the latest ones. */
async function removeOlder(path: string, runId: string, count: number): Promise<void> {
  for (const { file } of keptBeside(path).slice(count)) {
    const head = await headIfAny(file);
    if (typeof head === 'object' && runIdOf(head) === runId) await rm(file);
  }
}

/** The older checkpoints beside a file, latest first. */
export function keptBeside(
  path: string,
): readonly { readonly file: string; readonly step: number }[] {
  const { folder, stem, extension } = partsOf(path);
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder).flatMap((name) => {
    if (!name.startsWith(`${stem}.step-`) || !name.endsWith(extension)) return [];
    const step = name.slice(stem.length + '.step-'.length, name.length - extension.length);
    return /^\d+$/.test(step) ? [{ file: join(folder, name), step: Number(step) }] : [];
  });
  return found.sort((a, b) => b.step - a.step);
}

function partsOf(path: string): {
  readonly folder: string;
  readonly stem: string;
  readonly extension: string;
} {
  const extension = extname(path);
  return { folder: dirname(path), stem: basename(path, extension), extension };
}

function fitsTwice({ tensors }: Checkpoint): boolean {
  const bytes = tensors.reduce((sum, { values }) => sum + values.byteLength, 0);
  return bytes <= process.availableMemory() * SNAPSHOT_SHARE;
}

function copyOf(state: Checkpoint): Checkpoint {
  const tensors = state.tensors.map((tensor) => ({ ...tensor, values: tensor.values.slice() }));
  return { ...state, tensors };
}
