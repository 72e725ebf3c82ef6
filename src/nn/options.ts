// Checks of the options that layer builders take: sizes as a number or a [height, width] pair.

import { checkInteger, UsageError } from '../base/errors.ts';

/** [height, width]. */
export type Pair = readonly [number, number];
/** A number stands for both axes. */
export type PairOption = number | Pair;

const MAX_SIZE = 2 ** 20;

/** A pair of whole numbers, each at least `min`. */
export function checkPair(what: string, value: PairOption, min: number): Pair {
  if (typeof value === 'number') {
    checkInteger(what, value, min, MAX_SIZE);
    return [value, value];
  }
  if (!Array.isArray(value) || value.length !== 2) {
    throw new UsageError({ what, given: value, allowed: 'a number or [height, width]' });
  }
  return [
    checkInteger(`${what} (height)`, value[0], min, MAX_SIZE),
    checkInteger(`${what} (width)`, value[1], min, MAX_SIZE),
  ];
}

/** A number of channels, features or groups. */
export function checkCount(what: string, value: number): number {
  return checkInteger(what, value, 1, MAX_SIZE);
}
