// From the text of flags to typed values. The parser returns numbers, strings, booleans and, for a
// repeated flag, lists. Here, each value is converted to its flag's type, or causes an error that
// says what is allowed.

import { checkInteger, UsageError } from '../../base/errors.ts';

/** The parser's values, by camel-cased flag. */
export type RawFlags = Readonly<Record<string, unknown>>;

/** Precedes every value inside the parser. Otherwise, the parser would convert text that looks like
 * a number, so that the file `007` became `7`, and treat a negative number as a flag. */
const VALUE_MARK = ':';

/** The longest range `a..b`. */
const MAX_RANGE = 1000;

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The words of a command line for the parser: the value of each flag in `valueFlags` is marked and
 * joined to its flag. */
export function markValues(argv: readonly string[], valueFlags: readonly string[]): string[] {
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--') return [...words, ...argv.slice(i)];
    const [flag, ...rest] = word.split('=');
    const next = argv[i + 1];
    if (!valueFlags.includes(flag!)) words.push(word);
    else if (rest.length > 0) words.push(`${flag}=${VALUE_MARK}${rest.join('=')}`);
    else if (next !== undefined && (DECIMAL.test(next) || !/^-./.test(next))) {
      words.push(`${flag}=${VALUE_MARK}${next}`);
      i++;
    } else words.push(word);
  }
  return words;
}

/** The parser's flags, with values as the user typed them. */
export function unmarkValues(raw: RawFlags): RawFlags {
  const unmark = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(unmark);
    return typeof value === 'string' && value.startsWith(VALUE_MARK) ? value.slice(1) : value;
  };
  return Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, unmark(value)]));
}

/** Reads flags by the names that users type. */
export class Flags {
  private readonly raw: RawFlags;

  constructor(raw: RawFlags) {
    this.raw = raw;
  }

  /** Whether the flag was given. */
  has(name: string): boolean {
    return this.raw[camelCase(name)] !== undefined;
  }

  /** The same flags with these replacements, by typed name. */
  with(flags: Readonly<Record<string, string | true>>): Flags {
    const given = Object.entries(flags).map(([name, value]) => [camelCase(name), value]);
    return new Flags({ ...this.raw, ...Object.fromEntries(given) });
  }

  /** The same flags, with these defaults for those not given; `--no-x` cancels x. */
  withDefaults(defaults: Readonly<Record<string, string | true>>): Flags {
    const all = Object.entries({ ...new Flags({}).with(defaults).raw, ...this.raw });
    return new Flags(Object.fromEntries(all.filter(([, value]) => value !== false)));
  }

  /** A flag without a value. */
  isSet(name: string): boolean {
    const value = this.one(name);
    if (value === undefined || typeof value === 'boolean') return value === true;
    throw new UsageError({
      what: `--${name}`,
      problem: `takes no value, but got ${String(value)}`,
    });
  }

  text(name: string): string | undefined {
    const value = this.one(name);
    if (value === undefined) return undefined;
    if (typeof value === 'boolean' || value === '') {
      throw new UsageError({ what: `--${name}`, problem: 'requires a value' });
    }
    return String(value);
  }

  number(name: string, min: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
    if (Number.isFinite(value) && value >= min) return value;
    throw new UsageError({
      what: `--${name}`,
      given: text,
      allowed: `a number of at least ${min}`,
    });
  }

  /** A flag with a comma-separated list of numbers. */
  numbers(name: string): readonly number[] | undefined {
    return this.text(name)
      ?.split(',')
      .map((word) => {
        if (DECIMAL.test(word.trim())) return Number(word);
        throw new UsageError({
          what: `--${name}`,
          given: word,
          allowed: 'a list of numbers, separated by commas',
        });
      });
  }

  integer(name: string, min: number, max = 2 ** 31 - 1): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^-?\d+$/.test(text) ? Number(text) : text;
    return checkInteger(`--${name}`, value, min, max);
  }

  /** A flag with an optional value, `bare` by default; undefined without the flag. */
  integerOr(name: string, bare: number, min: number, max: number): number | undefined {
    return this.one(name) === true ? bare : this.integer(name, min, max);
  }

  /** A flag with a comma-separated list, or without a value for all: then true. */
  listOrAll(name: string): readonly string[] | true | undefined {
    return this.one(name) === true ? true : this.text(name)?.split(',');
  }

  choice<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = allowed.find((choice) => choice === text);
    if (found !== undefined) return found;
    throw new UsageError({ what: `--${name}`, given: text, allowed: allowed.join(', ') });
  }

  private one(name: string): unknown {
    const value = this.raw[camelCase(name)];
    if (!Array.isArray(value)) return value;
    throw new UsageError({
      what: `--${name}`,
      problem: `was given ${value.length} times: ${value.join(', ')}`,
      hint: `--${name} once`,
    });
  }
}

/** The words of a comma-separated list, without duplicates; undefined without one. */
export function wordsIn(what: string, text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const words = text.split(',').map((word) => word.trim());
  if (!words.includes('')) return [...new Set(words)];
  throw new UsageError({ what, given: text, allowed: 'values separated by commas' });
}

/** The integers in a comma-separated list, where `1..3` means 1,2,3; without duplicates. */
export function integersIn(
  what: string,
  text: string | undefined,
  min: number,
): readonly number[] | undefined {
  const numbers = wordsIn(what, text)
    ?.flatMap(expandRange)
    .map((word) => {
      const value = /^\d+$/.test(word) ? Number(word) : word;
      return checkInteger(what, value, min, 2 ** 31 - 1);
    });
  return numbers && [...new Set(numbers)];
}

/** `1..3` as 1, 2, 3, and every other word unchanged. Excessively long ranges stay words, which are
 * refused later. */
export function expandRange(word: string): readonly string[] {
  const found = /^(\d+)\.\.(\d+)$/.exec(word);
  if (found === null) return [word];
  const [from, to] = [Number(found[1]), Number(found[2])];
  if (to < from || to - from >= MAX_RANGE) return [word];
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
