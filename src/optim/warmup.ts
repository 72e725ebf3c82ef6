// What schedules of the learning rate have in common: the warmup, and the unit of their lengths.

import { UsageError } from '../base/errors.ts';
import { atLeastZero, oneOf, wholeNumber } from '../base/values.ts';

/** What schedules with a warmup have. */
export interface Warmup {
  /** In step s below this the rate is multiplied by (s + 1) / warmupSteps. */
  readonly warmupSteps: number;
  /** The same in epochs, rounded to whole steps; absent where steps are meant. */
  readonly warmupEpochs?: number;
}

/** How a schedule begins. */
export interface WarmupOptions {
  /** Steps over which the rate rises linearly; default 0. */
  readonly warmupSteps?: number;
  /** The same in epochs, which may be parts of one. Give this or `warmupSteps`. Default 0. */
  readonly warmupEpochs?: number;
}

/** What the lengths of a schedule are counted in. */
export type ScheduleUnit = 'steps' | 'epochs';

/** What schedules with lengths have. */
export interface Counted {
  /** Absent for steps. */
  readonly unit?: 'epochs';
}

/** In what lengths of a schedule are counted. */
export interface UnitOptions {
  /** What the lengths of the schedule are counted in; the warmup has a unit of its own. Default
   * `steps`. */
  readonly unit?: ScheduleUnit;
}

export const warmupFields = {
  warmupSteps: wholeNumber(0).exactOptional(),
  warmupEpochs: atLeastZero.exactOptional(),
};

export const unitField = { unit: oneOf(['steps', 'epochs']).exactOptional() };

/** The warmup of a schedule. Throws a {@link UsageError} where both units are given. */
export function warmupOf(what: string, { warmupSteps = 0, warmupEpochs }: WarmupOptions): Warmup {
  if (warmupEpochs === undefined) return { warmupSteps };
  if (warmupSteps === 0) return { warmupSteps, warmupEpochs };
  throw new UsageError({
    what: `warmup of the ${what} schedule`,
    given: { warmupSteps, warmupEpochs },
    allowed: 'warmupSteps or warmupEpochs, not both',
  });
}

/** The unit of a schedule. */
export function unitOf({ unit }: UnitOptions): Counted {
  return unit === 'epochs' ? { unit } : {};
}
