// Reads a JSON file that a flag or an argument names.

import { readFileSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import { readError } from '../../base/fileError.ts';
import { messageOf } from '../../base/showError.ts';

/** The contents of the file. Throws a {@link UsageError} that names the flag. */
export function readJson(flag: string, path: string): unknown {
  return readJsonFile(`--${flag} ${path}`, path);
}

/** The contents of a file that no flag names; `what` is for errors. */
export function readJsonFile(what: string, path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const allowed = 'a readable file with JSON';
    if (!(error instanceof SyntaxError)) throw readError(what, error, allowed);
    throw new UsageError({ what, given: messageOf(error), allowed });
  }
}
