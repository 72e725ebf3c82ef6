// A file of JSON that a flag names.

import { readFileSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import { messageOf } from '../../base/showError.ts';

/** What the file holds. Throws a {@link UsageError} that names the flag. */
export function readJson(flag: string, path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError({
      what: `--${flag} ${path}`,
      given: messageOf(error),
      allowed: 'a readable file with JSON',
    });
  }
}
