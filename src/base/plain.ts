// Plain data: values that survive JSON unchanged, so that a checkpoint can store them. All others
// would come back as something else (a Map as {}, NaN as null, -0 as 0) or be lost.

import { UsageError } from './errors.ts';

/** Levels of lists and objects; MessagePack allows 100. */
const MAX_DEPTH = 50;
const ALLOWED = 'plain data that survives JSON unchanged';

/** Copies plain data. Throws a {@link UsageError} that names the place of anything that JSON would
 * change or drop: instances such as Map and Date, functions, undefined, NaN, the infinities, -0,
 * holes of lists, symbols, accessors, broken surrogates, data that contains itself. */
export function plainCopy(what: string, value: unknown): unknown {
  return copy(what, value, 0);
}

function copy(what: string, value: unknown, depth: number): unknown {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) return value;
  if (typeof value === 'string' && !/\p{Surrogate}/u.test(value)) return value;
  if (typeof value !== 'object') throw refused(what, value);
  if (depth >= MAX_DEPTH) throw new UsageError({ what, problem: 'is nested too deeply' });
  return Array.isArray(value)
    ? copyList(what, value, depth)
    : copyFields(what, value as Record<string, unknown>, depth);
}

function copyList(what: string, list: readonly unknown[], depth: number): unknown[] {
  // A list with holes has fewer keys, one with extra fields more.
  if (Reflect.ownKeys(list).length !== list.length + 1) throw refused(what, list);
  return Array.from(list, (item, i) => copy(`${what}[${i}]`, item, depth + 1));
}

function copyFields(what: string, value: Record<string, unknown>, depth: number): unknown {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw refused(what, value);
  if (Object.prototype.toString.call(value) !== '[object Object]') throw refused(what, value);
  const result: Record<string, unknown> = {};
  for (const key of Reflect.ownKeys(value)) {
    const field = Object.getOwnPropertyDescriptor(value, key)!;
    const isPlain = typeof key === 'string' && key !== '__proto__' && field.enumerable === true;
    if (!isPlain || !('value' in field)) throw refused(`${what}.${String(key)}`, value);
    result[key] = copy(`${what}.${key}`, field.value, depth + 1);
  }
  return result;
}

function refused(what: string, given: unknown): UsageError {
  return new UsageError({ what, given, allowed: ALLOWED });
}
