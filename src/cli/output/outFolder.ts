// A folder that `--out` or another flag names: made and tried before anything takes time.

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { makeFolder } from '../../base/folders.ts';
import { writeOutput } from './outFile.ts';

/** A text and the name of its file. */
export interface OutFile {
  readonly name: string;
  readonly text: string;
}

/** Makes the folder and tries whether it can be written. Throws a {@link UsageError} that names
 * it. */
export async function prepareFolder(folder: string, flag = '--out'): Promise<void> {
  const trial = join(folder, `.syncbn-${process.pid}`);
  try {
    await makeFolder(folder);
    await writeFile(trial, '');
  } catch (error) {
    throw asUsageError(folder, flag, error);
  }
  await rm(trial);
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
function asUsageError(folder: string, flag: string, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return error;
  return new UsageError({
    what: `${flag} ${folder}`,
    given: error.code,
    allowed: 'a folder that can be written',
    hint: `${flag} results`,
  });
}
