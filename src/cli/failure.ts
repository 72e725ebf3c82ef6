// How a command ends that could not do what it was asked: what is said, and the exit code. 2: the
// caller can fix it. 1: the run broke, or we did.

import { InvariantError, RunError, UsageError } from '../base/errors.ts';
import type { ErrorEvent } from './events.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** The event of an error. */
export function errorEvent(error: unknown): ErrorEvent {
  const message = error instanceof Error ? error.message : String(error);
  return { event: 'error', kind: kindOf(error), message };
}

/** The exit code for an error. */
export function exitCodeOf(error: unknown): number {
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}

function kindOf(error: unknown): string {
  if (error instanceof UsageError) return 'usage';
  if (error instanceof RunError) return 'run';
  return error instanceof InvariantError ? 'invariant' : 'unexpected';
}
