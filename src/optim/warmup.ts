// Shared by learning rate schedules: the warmup, and the unit of their lengths.

import { UsageError } from '../base/errors.ts';
import { atLeastZero, oneOf, wholeNumber } from '../base/values.ts';

/** The fields of schedules with a warmup. */
export interface Warmup {
  /** In each step s below this number, the rate is multiplied by (s + 1) / warmupSteps. */
  readonly warmupSteps: number;
  /** The same in epochs, rounded to whole steps; absent if it is given in steps. */
  readonly warmupEpochs?: number;
}

/** How a schedule begins. */
export interface WarmupOptions {
  /** Steps over which the rate rises linearly; default 0. */
  readonly warmupSteps?: number;
  /** The same in epochs, which may be fractional. Give either this or `warmupSteps`. Default 0. */
  readonly warmupEpochs?: number;
}

/** The unit of a schedule's lengths. */
export type ScheduleUnit = 'steps' | 'epochs';

/** The fields of schedules with lengths. */
export interface Counted {
  /** The unit; absent for steps. */
  readonly unit?: 'epochs';
}

/** The unit of a schedule's lengths. */
export interface UnitOptions {
  /** The unit of the schedule's lengths. The warmup has its own unit. Default `steps`. */
  readonly unit?: ScheduleUnit;
}

export const warmupFields = {
  warmupSteps: wholeNumber(0).exactOptional(),
  warmupEpochs: atLeastZero.exactOptional(),
};

export const unitField = { unit: oneOf(['steps', 'epochs']).exactOptional() };

/** The warmup of a schedule. Throws a {@link UsageError} if both units are given. */
export function warmupOf(what: string, { warmupSteps = 0, warmupEpochs }: WarmupOptions): Warmup {
  if (warmupEpochs === undefined) return { warmupSteps };
  if (warmupSteps === 0) return { warmupSteps, warmupEpochs };
  throw new UsageError({
    what: `warmup of the ${what} schedule`,
    given: { warmupSteps, warmupEpochs },
    allowed: 'either warmupSteps or warmupEpochs',
  });
}

/** The unit of a schedule. */
export function unitOf({ unit }: UnitOptions): Counted {
  return unit === 'epochs' ? { unit } : {};
}
