// Errors of the system about a file, for the caller that gave its path.

import { UsageError } from './errors.ts';

/** Turns an error of the system about a file into a UsageError; returns any other error
 * unchanged. */
export function fileError(what: string, error: unknown, allowed: string): unknown {
  if (error instanceof UsageError) return error;
  if (!(error instanceof Error && 'code' in error) || error.code === undefined) return error;
  return new UsageError({ what, given: error.message, allowed });
}

/** The same for a file that is read, of which most errors are that there is none. */
export function readError(what: string, error: unknown, allowed: string): unknown {
  const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
  if (isMissing) return new UsageError({ what, problem: 'does not exist (ENOENT)' });
  return fileError(what, error, allowed);
}
