// The folder that `--out` names: made and tried before anything takes time, filled at the end.

import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { writeOutput } from './outFile.ts';

/** A text and the name of its file. */
export interface OutFile {
  readonly name: string;
  readonly text: string;
}

/** Makes the folder and tries whether it can be written. Throws a {@link UsageError} that names
 * it. */
export async function prepareFolder(folder: string): Promise<void> {
  const trial = join(folder, `.syncbn-${process.pid}`);
  try {
    await makeFolder(resolve(folder));
    await writeFile(trial, '');
  } catch (error) {
    throw asUsageError(folder, error);
  }
  await rm(trial);
}

/** Makes a folder and those above it. Not by mkdir's own recursion, which never ends where a system
 * folder says that it is not there. */
async function makeFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder));
  await mkdir(folder);
}

/** Writes the files into the folder, after the work is done, whatever becomes of them. */
export async function writeFiles(folder: string, files: readonly OutFile[]): Promise<void> {
  for (const { name, text } of files) {
    const path = join(folder, name);
    await writeOutput(path, path, text);
  }
}

/** What the user typed, for a page that says how it was made. */
export function typedCommand(): string {
  return ['syncbn', ...process.argv.slice(2)].join(' ');
}

/** What the system says about a folder is the caller's to fix; anything else stays as it is. */
function asUsageError(folder: string, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return error;
  return new UsageError({
    what: `--out ${folder}`,
    given: error.code,
    allowed: 'a folder that can be written',
    hint: '--out results',
  });
}
