// Work and what has to be done after it, whatever happens: unlike in `finally`, an error of the
// cleanup never takes the place of the work's own.

import { messageOf } from './showError.ts';

/** Does the work, then every cleanup in order. What the work threw comes first in the
 * AggregateError that holds what else failed; a single error is thrown as it is. */
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
