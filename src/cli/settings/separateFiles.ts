// Checks that a command's output files differ from its input files and from each other.

import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import type { Flags } from './flags.ts';

/** Flags of `train` that name an output file, in the order of messages. */
const WRITTEN = ['report', 'trace', 'log', 'best', 'checkpoint', 'resume-or-start'] as const;
/** Flags that name an input file, if their value is a path. */
const READ = ['resume', 'model'] as const;
/** A checkpoint may replace the one that the run came from; other checks happen elsewhere. */
const SHARED = new Set(['checkpoint resume', 'checkpoint resume-or-start']);

/** Throws a {@link UsageError} if `train` would write over another of its files. */
export function checkSeparateFiles(flags: Flags): void {
  const data = flags.text('data');
  const written = WRITTEN.filter((name) => flags.text(name) !== undefined);
  for (const [i, name] of written.entries()) {
    const path = flags.text(name)!;
    for (const other of [...written.slice(i + 1), ...READ]) {
      const taken = flags.text(other);
      if (taken === undefined || SHARED.has(`${name} ${other}`)) continue;
      if (isFile(path) && isSameFile(path, taken)) throw overwrites(name, path, `--${other}`);
    }
    if (data === undefined || !existsSync(path) || !isFile(path)) continue;
    if (isSameFile(dirname(path), data)) throw overwrites(name, path, `the data of --data ${data}`);
  }
}

function overwrites(name: string, path: string, other: string): UsageError {
  return new UsageError({
    what: `--${name} ${path}`,
    problem: `would write over ${other}`,
    hint: 'a separate file',
  });
}

/** Whether it is, or will be, a regular file: several outputs may share a device or pipe. */
function isFile(path: string): boolean {
  return !existsSync(path) || statSync(path).isFile();
}

/** Whether two paths lead to the same file, which may not exist yet. */
export function isSameFile(a: string, b: string): boolean {
  return realPath(a) === realPath(b);
}

function realPath(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const folder = dirname(resolve(path));
  return existsSync(folder) ? join(realpathSync(folder), basename(path)) : resolve(path);
}
