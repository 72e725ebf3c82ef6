// The types of option values: each has a description of the allowed values, for errors, and a test.
// Ranges are included, so that an option is described in one place.

import * as z from 'zod';
import { MAX_WHOLE } from './errors.ts';

/** The JSON schema of a value, as far as it can be expressed. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A value that passes a test. `allowed` describes such values in errors, `json` in a JSON
 * schema. */
export function accept<T>(
  allowed: string,
  test: (value: unknown) => boolean,
  json: JsonSchema = {},
): z.ZodCustom<T, T> {
  return z.custom<T>(test, allowed).register(z.globalRegistry, json);
}

/** The JSON schema of one of these values. */
export function jsonOf(value: z.ZodType): JsonSchema {
  return z.globalRegistry.get(value) ?? {};
}

/** A number that passes a test; NaN and the infinities never do. */
export function realNumber(
  allowed: string,
  test: (value: number) => boolean,
  json: JsonSchema = {},
): z.ZodCustom<number, number> {
  return accept(allowed, (value) => isFiniteNumber(value) && test(value), {
    type: 'number',
    ...json,
  });
}

/** A number that passes a test, or null. */
export function realOrNull(
  allowed: string,
  test: (value: number) => boolean,
  json: JsonSchema = {},
): z.ZodCustom<number | null, number | null> {
  return accept(allowed, (value) => value === null || (isFiniteNumber(value) && test(value)), {
    type: ['number', 'null'],
    ...json,
  });
}

/** A whole number within [min, max]. */
export function wholeNumber(min: number, max = MAX_WHOLE): z.ZodCustom<number, number> {
  return accept(
    `a whole number from ${min} to ${max}`,
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    { type: 'integer', minimum: min, maximum: max },
  );
}

/** One of a few words or other constants. */
export function oneOf<const T extends string>(values: readonly T[]): z.ZodCustom<T, T> {
  const shown = values.map((value) => `'${value}'`);
  const last = shown.pop()!;
  const allowed = shown.length === 0 ? last : `${shown.join(', ')} or ${last}`;
  return accept(allowed, (value) => values.includes(value as T), { enum: values });
}

/** A list with items that all pass a test. Holes do not. */
export function listOf<T>(
  allowed: string,
  test: (item: unknown) => boolean,
  items: JsonSchema = {},
): z.ZodCustom<readonly T[], readonly T[]> {
  return accept(allowed, (value) => Array.isArray(value) && Array.from(value).every(test), {
    type: 'array',
    items,
  });
}

export const flag = accept<boolean>('true or false', (value) => typeof value === 'boolean', {
  type: 'boolean',
});
export const text = accept<string>(
  'a string of at least one character',
  (value) => typeof value === 'string' && value !== '',
  { type: 'string', minLength: 1 },
);
export const positive = realNumber('a finite number above 0', (value) => value > 0, {
  exclusiveMinimum: 0,
});
export const atLeastZero = realNumber('a finite number, at least 0', (value) => value >= 0, {
  minimum: 0,
});

/** From 0 to 1. */
export const share = realNumber('a number from 0 to 1', (value) => value >= 0 && value <= 1, {
  minimum: 0,
  maximum: 1,
});
/** From 0 to below 1. */
export const shareBelowOne = realNumber(
  'a number from 0 to below 1',
  (value) => value >= 0 && value < 1,
  { minimum: 0, exclusiveMaximum: 1 },
);

/** The decay rates of the two averages of an optimizer such as Adam. */
export const betas = accept<readonly [number, number]>('two numbers from 0 to below 1', (value) => {
  if (!Array.isArray(value) || value.length !== 2) return false;
  return [value[0], value[1]].every((beta) => shareBelowOne.safeParse(beta).success);
});

/** Something that another function checks, such as a model or a dataset; `allowed` says in an error
 * what to give where it is missing. */
export function anything<T>(allowed = 'a value', json: JsonSchema = {}): z.ZodCustom<T, T> {
  return accept<T>(allowed, (value) => value !== undefined, json);
}

/** A function. Its arguments cannot be checked. */
export function callback<T extends (...args: never[]) => unknown>(): z.ZodCustom<T, T> {
  return accept<T>('a function', (value) => typeof value === 'function');
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
