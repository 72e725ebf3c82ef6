// Runs work and its cleanup, whatever happens. Unlike with `finally`, an error of the cleanup never
// replaces that of the work.

import { messageOf } from './showError.ts';

/** Does the work, then every cleanup in order. A single error is thrown unchanged. Several are
 * thrown as an AggregateError, with the error of the work first. */
export async function cleaningUp<T>(
  work: () => Promise<T>,
  ...cleanups: readonly (() => void | Promise<void>)[]
): Promise<T> {
  const outcome = await settle(work);
  const errors = 'error' in outcome ? [outcome.error] : [];
  for (const cleanup of cleanups) {
    const cleaned = await settle(async () => cleanup());
    if ('error' in cleaned) errors.push(cleaned.error);
  }
  if (errors.length > 1) throw new AggregateError(errors, messageOf(errors[0]));
  if (errors.length === 1) throw errors[0];
  return (outcome as { readonly value: T }).value;
}

type Settled<T> = { readonly value: T } | { readonly error: unknown };

async function settle<T>(run: () => Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await run() };
  } catch (error) {
    return { error };
  }
}
