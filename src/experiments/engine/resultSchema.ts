// What the results of an experiment's runs must hold, so that a line of a file that lacks a value
// is found when it is read, and not where the numbers are compared.

import * as z from 'zod';

/** What a run found. */
export interface RunValues {
  /** Numbers that are the same whenever the run is done again. */
  readonly values: Readonly<Record<string, number | readonly number[]>>;
  /** Milliseconds and images/s, which are not. */
  readonly timings: Readonly<Record<string, number>>;
}

export type ResultSchema = z.ZodType<RunValues>;

const TIMINGS = ['trainMs'];

/** A result with at least these numbers, and lists of at least so many of them. */
export function resultWith(
  numbers: readonly string[],
  lists: Readonly<Record<string, number>> = {},
  timings: readonly string[] = TIMINGS,
): ResultSchema {
  const values = {
    ...shapeOf(numbers),
    ...Object.fromEntries(
      Object.entries(lists).map(([name, least]) => [name, z.array(z.number()).min(least)]),
    ),
  };
  return z.object({
    values: z.object(values).catchall(z.union([z.number(), z.array(z.number())])),
    timings: z.object(shapeOf(timings)).catchall(z.number()),
  });
}

function shapeOf(names: readonly string[]): Readonly<Record<string, z.ZodNumber>> {
  return Object.fromEntries(names.map((name) => [name, z.number()]));
}
