// Values of the options that layer builders take: sizes as a number or a [height, width] pair.

import type * as z from 'zod';
import { checkInteger } from '../../base/errors.ts';
import { accept, flag, jsonOf, listOf, wholeNumber } from '../../base/values.ts';

/** [height, width]. */
export type Pair = readonly [number, number];
/** A number stands for both axes. */
export type PairOption = number | Pair;

const MAX_SIZE = 2 ** 20;

/** A size of an axis or a number of channels. */
export const size = wholeNumber(1, MAX_SIZE);
/** Sizes of a sample, outermost first. */
export const shapeOption = listOf<number>('a list of whole numbers above 0', (one) => {
  return wholeNumber(1).safeParse(one).success;
});
export const optionalFlag = flag.exactOptional();

/** A pair of whole numbers, each at least `min`, or one for both. */
export function pairOf(min: number): z.ZodCustom<PairOption, PairOption> {
  const one = wholeNumber(min, MAX_SIZE);
  const fits = (value: unknown): boolean => one.safeParse(value).success;
  const json = jsonOf(one);
  return accept(
    `a whole number from ${min} to ${MAX_SIZE}, or [height, width]`,
    (value) =>
      Array.isArray(value) ? value.length === 2 && Array.from(value).every(fits) : fits(value),
    { anyOf: [json, { type: 'array', items: json, minItems: 2, maxItems: 2 }] },
  );
}

/** A checked pair in its long form. */
export function toPair(pair: PairOption): Pair {
  return typeof pair === 'number' ? [pair, pair] : [pair[0], pair[1]];
}

/** A number of channels, features or groups. */
export function checkCount(what: string, value: number): number {
  return checkInteger(what, value, 1, MAX_SIZE);
}
