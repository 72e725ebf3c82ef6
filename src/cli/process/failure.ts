// How a failed command ends: its message and exit code. 2: the caller can fix it. 1: the run
// failed, an output is incomplete, or there is a bug.

import { InvariantError, RunError, UsageError } from '../../base/errors.ts';
import { messageOf } from '../../base/showError.ts';
import type { ErrorEvent } from '../output/events.ts';
import { IncompleteOutput } from '../output/lineFile.ts';
import { cut } from '../output/text.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** The event of an error. If several things failed, the first one decides and all are named. */
export function errorEvent(error: unknown): ErrorEvent {
  const [first, ...others] = errorsOf(error);
  const also = others.map((other) => ` Also: ${cut(messageOf(other))}`).join('');
  return { event: 'error', kind: kindOf(first), message: `${cut(messageOf(first))}${also}` };
}

/** The exit code for an error. */
export function exitCodeOf(error: unknown): number {
  return errorsOf(error)[0] instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}

function errorsOf(error: unknown): unknown[] {
  return error instanceof AggregateError ? error.errors.flatMap(errorsOf) : [error];
}

function kindOf(error: unknown): string {
  if (error instanceof UsageError) return 'usage';
  if (error instanceof RunError) return 'run';
  if (error instanceof IncompleteOutput) return 'output';
  return error instanceof InvariantError ? 'invariant' : 'unexpected';
}
