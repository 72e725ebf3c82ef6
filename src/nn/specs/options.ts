// Option values that layer builders take: sizes as a number or a [height, width] pair.

import type * as z from 'zod';
import { checkInteger } from '../../base/errors.ts';
import { isObject, optionsSchema } from '../../base/parse.ts';
import { accept, flag, type JsonSchema, jsonOf, listOf, wholeNumber } from '../../base/values.ts';

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

/** Rows and columns at each side of an image. */
export interface Sides {
  /** Rows above the image; default 0. */
  readonly top: number;
  /** Rows below it; default 0. */
  readonly bottom: number;
  /** Columns on its left; default 0. */
  readonly left: number;
  /** Columns on its right; default 0. */
  readonly right: number;
}
/** The sides of an image. A side that is not named has 0. */
export type SidesOption = Partial<Sides>;

const oneSide = wholeNumber(0, MAX_SIZE);
const maybeSide = oneSide.exactOptional();
export const sidesSchema = optionsSchema<SidesOption>()({
  top: maybeSide,
  bottom: maybeSide,
  left: maybeSide,
  right: maybeSide,
});

function sidesJson(...names: readonly (keyof Sides)[]): JsonSchema {
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, jsonOf(oneSide)])),
    additionalProperties: false,
    minProperties: 1,
  };
}

/** The padding around an image: [height, width] on both sides, one number for each side, or `same`,
 * as many as ceil(size / stride) outputs along an axis need, the larger half at the bottom and on
 * the right (as in TensorFlow and Keras). */
export type Padding = Pair | Sides | 'same';
/** The padding of an image: a number, [height, width], one for each side, or `'same'`. */
export type PaddingOption = PairOption | SidesOption | 'same';

const pairFromZero = pairOf(0);
export const paddingOption = accept<PaddingOption>(
  `a whole number from 0 to ${MAX_SIZE}, [height, width], { top, bottom, left, right } or 'same'`,
  (value) => {
    if (value === 'same') return true;
    if (!isObject(value)) return pairFromZero.safeParse(value).success;
    return Object.keys(value).length > 0 && sidesSchema.safeParse(value).success;
  },
  { anyOf: [{ const: 'same' }, jsonOf(pairFromZero), sidesJson('top', 'bottom', 'left', 'right')] },
);

/** Converts a checked padding to its long form; equal sides become a pair. */
export function toPadding(padding: PaddingOption): Padding {
  if (padding === 'same') return padding;
  if (typeof padding === 'number' || isPair(padding)) return toPair(padding);
  const { top, bottom, left, right } = toSides(padding);
  return top === bottom && left === right ? [top, left] : { top, bottom, left, right };
}

/** Whether a padding is the same on opposite sides. */
export function isPair<T extends object>(padding: T | Pair): padding is Pair {
  return Array.isArray(padding);
}

/** {@link Padding} along the only axis of a sequence. */
export type Padding1d = number | { readonly left: number; readonly right: number } | 'same';
/** The padding of a sequence: a number for both sides, one for each, or `'same'`. */
export type Padding1dOption = number | { readonly left?: number; readonly right?: number } | 'same';

const sides1dSchema = sidesSchema.omit({ top: true, bottom: true });
export const padding1dOption = accept<Padding1dOption>(
  `a whole number from 0 to ${MAX_SIZE}, { left, right } or 'same'`,
  (value) => {
    if (value === 'same') return true;
    if (!isObject(value)) return wholeNumber(0, MAX_SIZE).safeParse(value).success;
    return Object.keys(value).length > 0 && sides1dSchema.safeParse(value).success;
  },
  { anyOf: [{ const: 'same' }, jsonOf(oneSide), sidesJson('left', 'right')] },
);

/** Converts a checked padding to its long form; equal sides become a number. */
export function toPadding1d(padding: Padding1dOption): Padding1d {
  if (typeof padding !== 'object') return padding;
  const { left = 0, right = 0 } = padding;
  return left === right ? left : { left, right };
}

/** Converts checked sides to their long form. */
export function toSides(sides: number | SidesOption): Sides {
  if (typeof sides === 'number') return { top: sides, bottom: sides, left: sides, right: sides };
  return { top: 0, bottom: 0, left: 0, right: 0, ...sides };
}

/** Converts a checked pair to its long form. */
export function toPair(pair: PairOption): Pair {
  return typeof pair === 'number' ? [pair, pair] : [pair[0], pair[1]];
}

/** Checks a number of rows or columns, which may be 0. */
export function checkSize(what: string, value: number): number {
  return checkInteger(what, value, 0, MAX_SIZE);
}

/** Checks a number of channels, features or groups. */
export function checkCount(what: string, value: number): number {
  return checkInteger(what, value, 1, MAX_SIZE);
}
