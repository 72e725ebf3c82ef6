// What happens in a step whose loss, gradients or running statistics are not finite.

import { UsageError } from '../base/errors.ts';

export const ON_NON_FINITE = ['stop', 'continue'] as const;
/** `stop` ends the run with an error that names step and layer; `continue` trains on. */
export type OnNonFinite = (typeof ON_NON_FINITE)[number];

/** Checks the option; `stop` where there is none. */
export function checkOnNonFinite(value: OnNonFinite | undefined): OnNonFinite {
  if (value === undefined) return 'stop';
  if (ON_NON_FINITE.includes(value)) return value;
  throw new UsageError({ what: 'onNonFinite', given: value, allowed: "'stop' or 'continue'" });
}
