// What happens in a step with a loss, gradients or running statistics that are not finite.

import { UsageError } from '../base/errors.ts';

export const ON_NON_FINITE = ['stop', 'continue'] as const;
/** `stop` ends the run with an error that names step and layer; `continue` keeps training. */
export type OnNonFinite = (typeof ON_NON_FINITE)[number];

/** Checks the option. Returns `stop` if there is none. */
export function checkOnNonFinite(value: OnNonFinite | undefined): OnNonFinite {
  if (value === undefined) return 'stop';
  if (ON_NON_FINITE.includes(value)) return value;
  throw new UsageError({ what: 'onNonFinite', given: value, allowed: "'stop' or 'continue'" });
}
