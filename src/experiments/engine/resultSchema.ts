// Schemas of run results. A line with a missing value is thus found when its file is read, not when
// the numbers are compared.

import * as z from 'zod';

/** The measurements of a run. */
export interface RunValues {
  /** Numbers that are the same every time the run is repeated. */
  readonly values: Readonly<Record<string, number | readonly number[]>>;
  /** Milliseconds and images/s, which vary between repetitions. */
  readonly timings: Readonly<Record<string, number>>;
}

export type ResultSchema = z.ZodType<RunValues>;

const TIMINGS = ['trainMs'];

/** A result with at least these numbers, and with lists of at least these lengths. */
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
