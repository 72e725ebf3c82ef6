// A folder that `--out` or another flag names: created and checked before long work starts.

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { makeFolder } from '../../base/folders.ts';
import { writeOutput } from './outFile.ts';

/** A text and its file name. */
export interface OutFile {
  readonly name: string;
  readonly text: string;
}

/** Creates the folder and checks that it can be written. Throws a {@link UsageError} that names
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

/** Writes all files into the folder after the work is done, even if some fail. */
export async function writeFiles(folder: string, files: readonly OutFile[]): Promise<void> {
  for (const { name, text } of files) {
    const path = join(folder, name);
    await writeOutput(path, path, text);
  }
}

/** The command as typed, for a page that says how it was made. */
export function typedCommand(): string {
  return ['syncbn', ...process.argv.slice(2)].join(' ');
}

/** The system's errors about a folder are the caller's to fix; all others stay unchanged. */
function asUsageError(folder: string, flag: string, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return error;
  return new UsageError({
    what: `${flag} ${folder}`,
    given: error.code,
    allowed: 'a folder that can be written',
    hint: `${flag} results`,
  });
}
