import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { optionsSchema, parseKind, parseOptions } from '../../src/base/parse.ts';
import { showValue } from '../../src/base/show.ts';
import { flag, oneOf, positive, share, wholeNumber } from '../../src/base/values.ts';

interface CookOptions {
  readonly minutes: number;
  readonly heatLevel?: number;
  readonly isSalted?: boolean;
  readonly method?: 'boil' | 'fry';
}

const schema = optionsSchema<CookOptions>()({
  minutes: wholeNumber(1, 90),
  heatLevel: share.exactOptional(),
  isSalted: flag.exactOptional(),
  method: oneOf(['boil', 'fry']).exactOptional(),
});
const example = 'cook({ minutes: 5 })';
const cook = (given: unknown) =>
  parseOptions('cook', schema, given, { example, refused: { price: 'is decided by the cook' } });

describe('parseOptions', () => {
  it('returns allowed options, and treats undefined as absent', () => {
    const given = { minutes: 5, heatLevel: undefined, method: 'fry' };
    expect(cook(given)).toStrictEqual({ minutes: 5, method: 'fry' });
  });

  it.each<[unknown, string | RegExp]>([
    [undefined, 'options of cook: expected an object, got undefined. Try: cook({ minutes: 5 }).'],
    [[], 'options of cook: expected an object, got []. Try: cook({ minutes: 5 }).'],
    [new Map(), 'options of cook: expected an object, got a Map. Try: cook({ minutes: 5 }).'],
    [Promise.resolve({}), 'options of cook: expected an object, got a Promise.'],
    [{ minutes: 5, heat_level: 1 }, 'cook: unknown option heat_level. Try: heatLevel.'],
    [{ minutes: 5, heatlevel: 1 }, 'cook: unknown option heatlevel. Try: heatLevel.'],
    [{ minutes: 5, salted: true }, 'cook: unknown option salted. Try: isSalted.'],
    [{ minutes: 5, zzz: 1 }, 'Try: one of minutes, heatLevel, isSalted, method.'],
    [{ minutes: 5, price: 1 }, 'cook: price is decided by the cook.'],
    [{}, 'cook minutes: expected a whole number from 1 to 90, got undefined.'],
    [{ minutes: '5' }, 'cook minutes: expected a whole number from 1 to 90, got "5".'],
    [{ minutes: 91 }, /cook minutes: expected .*, got 91/],
    [{ minutes: 5, heatLevel: Number.NaN }, /cook heatLevel: expected a number from 0.*, got NaN/],
    [{ minutes: 5, isSalted: 1 }, 'cook isSalted: expected true or false, got 1.'],
    [{ minutes: 5, method: 'bake' }, `cook method: expected 'boil' or 'fry', got "bake".`],
  ])('refuses %o', (given, message) => {
    expect(() => cook(given)).toThrow(UsageError);
    expect(() => cook(given)).toThrow(message);
  });

  it('has schemas that must match the types of their options', () => {
    const schemaOf = optionsSchema<{ readonly a: number; readonly b?: boolean }>();
    // @ts-expect-error b is missing
    schemaOf({ a: positive });
    // @ts-expect-error b is optional
    schemaOf({ a: positive, b: flag });
    // @ts-expect-error a is a number
    schemaOf({ a: flag, b: flag.exactOptional() });
    // @ts-expect-error c is unknown
    schemaOf({ a: positive, b: flag.exactOptional(), c: flag.exactOptional() });
    expect(schemaOf({ a: positive, b: flag.exactOptional() }).shape.a).toBe(positive);
  });
});

describe('parseKind', () => {
  const calls = { boil: 'boil({ minutes: 5 })', fry: 'fry()' };
  const parse = (given: unknown) => parseKind('method', calls, given);

  it('separates the kind from the rest', () => {
    expect(parse({ kind: 'fry', oil: true })).toEqual({ kind: 'fry', rest: { oil: true } });
  });

  it.each<[unknown, string | RegExp]>([
    ['fry', 'method: expected an object, got "fry". Try: fry().'],
    [function boil() {}, 'method: expected an object, got the function boil. Try: boil('],
    [undefined, 'Try: boil({ minutes: 5 }) or fry().'],
    [{}, 'method, kind: expected boil, fry, got undefined.'],
    [{ kind: 'fri' }, 'method, kind: expected boil, fry, got "fri". Try: fry().'],
    [{ kind: 'toString' }, /method, kind: expected .*, got "toString"/],
  ])('refuses %o', (given, message) => {
    expect(() => parse(given)).toThrow(UsageError);
    expect(() => parse(given)).toThrow(message);
  });
});

describe('showValue', () => {
  it.each<[unknown, string | RegExp]>([
    [10n, '10n'],
    [-0, '-0'],
    [() => 0, 'a function'],
    [new Float32Array(3), 'Float32Array of 12 bytes'],
    [{ lr: Number.NaN }, '{"lr":NaN}'],
    [new (class Net {})(), 'a Net'],
    [Symbol('s'), 'Symbol(s)'],
    [Object.create(null), '{}'],
    [[Array(14).fill(1)], '[[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ...]]'],
  ])('shows %o as %s', (value, shown) => {
    expect(showValue(value)).toBe(shown);
  });

  it('terminates for circular values, and survives values that throw', () => {
    const ring: unknown[] = [];
    ring.push(ring);
    const thrower = {
      get a(): number {
        throw new Error('no');
      },
    };
    expect(showValue(ring)).toBe('[[[[[...]]]]]');
    expect(showValue(thrower)).toBe('a value that cannot be read');
    expect(showValue('x'.repeat(10_000)).length).toBeLessThan(500);
  });
});
