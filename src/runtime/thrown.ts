// Errors on their way from a worker to the main thread. Structured clones lose an error's class and
// own fields, so our errors travel as plain data and are rebuilt on the other side.

import { RunError, type RunFailure, type UsageDetails, UsageError } from '../base/errors.ts';
import { showValue } from '../base/show.ts';
import { cutText, fieldOf, isError, showError, textOf } from '../base/showError.ts';

/** A thrown value as plain data. */
export interface PackedError {
  readonly packed: 'syncbn error';
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly usage?: UsageDetails;
  readonly failure?: RunFailure;
  readonly cause?: PackedError;
}

/** A longer chain of causes is cut, since it may be circular. */
const MAX_CAUSES = 8;
/** Turns a thrown value into data that can be posted. */
export function packError(thrown: unknown, depth = 0): PackedError {
  if (!isError(thrown)) {
    return { packed: 'syncbn error', name: 'Error', message: `thrown: ${showError(thrown)}` };
  }
  const name = textOf(thrown, 'name');
  const stack = fieldOf(thrown, 'stack');
  const cause = causeOf(thrown);
  return {
    packed: 'syncbn error',
    name,
    message: cutText(textOf(thrown, 'message')),
    ...(typeof stack === 'string' && { stack: cutText(stack) }),
    ...(thrown instanceof UsageError && { usage: postable(thrown.details) }),
    ...(thrown instanceof RunError && { failure: cutFailure(thrown.failure) }),
    ...(cause !== undefined && depth < MAX_CAUSES && { cause: packError(cause, depth + 1) }),
  };
}

/** Rebuilds the error from {@link packError}'s data; any other value becomes an error as it is. */
export function unpackError(value: unknown): Error {
  if (!isPacked(value)) return isError(value) ? value : new Error(showError(value));
  const options = value.cause === undefined ? {} : { cause: unpackError(value.cause) };
  const error = build(value, options);
  if (value.stack !== undefined) error.stack = value.stack;
  return error;
}

/** The cause of an error; the first of several. */
function causeOf(error: Error): unknown {
  const cause = fieldOf(error, 'cause');
  if (cause !== undefined || !(error instanceof AggregateError)) return cause;
  return error.errors[0];
}

function build(value: PackedError, options: ErrorOptions): Error {
  if (value.failure !== undefined) return new RunError(value.failure, options);
  const { name, message } = value;
  if (value.usage === undefined) return Object.assign(new Error(message, options), { name });
  return Object.assign(new UsageError(value.usage), { message }, options);
}

/** `given` may be anything, including values that cannot be posted. The message already shows
 * it. */
function postable(details: UsageDetails): UsageDetails {
  if (!('given' in details)) return details;
  const { given } = details;
  if (typeof given === 'string') return { ...details, given: cutText(given) };
  const isPlain =
    typeof given !== 'function' && typeof given !== 'symbol' && Object(given) !== given;
  return isPlain ? details : { ...details, given: showValue(given) };
}

function cutFailure(failure: RunFailure): RunFailure {
  return { ...failure, reason: cutText(failure.reason) };
}

function isPacked(value: unknown): value is PackedError {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as Partial<PackedError>).packed === 'syncbn error'
  );
}
