// From the text of flags to checked values: lists of words, lists of integers, seconds.

import { checkInteger, UsageError } from '../src/base/errors.ts';

/** `a,b` as a list of allowed words. */
export function wordList<T extends string>(
  what: string,
  given: unknown,
  allowed: readonly T[],
): readonly T[] {
  return String(given)
    .split(',')
    .map((word) => {
      const found = allowed.find((name) => name === word.trim());
      if (found === undefined) {
        throw new UsageError({ what, given: word, allowed: allowed.join(', ') });
      }
      return found;
    });
}

/** `2,4` as a list of integers of at least 1. */
export function countList(what: string, given: unknown): readonly number[] {
  return String(given)
    .split(',')
    .map((text) => checkInteger(what, text.trim() === '' ? text : Number(text), 1));
}

/** An integer of at least 1. */
export function count(what: string, given: unknown): number {
  return checkInteger(what, given, 1);
}

/** A time above 0. */
export function seconds(what: string, given: unknown): number {
  if (typeof given === 'number' && Number.isFinite(given) && given > 0) return given;
  throw new UsageError({ what, given, allowed: 'seconds, above 0' });
}
