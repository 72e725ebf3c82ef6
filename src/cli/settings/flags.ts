// From the text of flags to typed values. The parser hands out numbers, strings, booleans and,
// where a flag is given twice, lists; here each value becomes what its flag means, or an error that
// says what is allowed.

import { checkInteger, UsageError } from '../../base/errors.ts';

/** What the parser hands out, by camel-cased flag. */
export type RawFlags = Readonly<Record<string, unknown>>;

/** Stands before every value while the parser has it. Without it the parser would make a number of
 * what looks like one, so that the file `007` became `7`, and a flag of a negative number. */
const VALUE_MARK = ':';

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

/** The parser's flags with their values as the user typed them. */
export function unmarkValues(raw: RawFlags): RawFlags {
  const unmark = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(unmark);
    return typeof value === 'string' && value.startsWith(VALUE_MARK) ? value.slice(1) : value;
  };
  return Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, unmark(value)]));
}

/** Reads flags by the name that the user typed. */
export class Flags {
  private readonly raw: RawFlags;

  constructor(raw: RawFlags) {
    this.raw = raw;
  }

  /** The flags with another value of one of them. */
  with(name: string, value: string): Flags {
    return new Flags({ ...this.raw, [camelCase(name)]: value });
  }

  /** Whether the flag was given. */
  has(name: string): boolean {
    return this.raw[camelCase(name)] !== undefined;
  }

  /** A flag without a value. */
  isSet(name: string): boolean {
    const value = this.one(name);
    if (value === undefined || typeof value === 'boolean') return value === true;
    throw new UsageError({ what: `--${name}`, given: value, allowed: 'no value' });
  }

  text(name: string): string | undefined {
    const value = this.one(name);
    if (value === undefined) return undefined;
    if (typeof value === 'boolean' || value === '') {
      throw new UsageError({ what: `--${name}`, given: 'nothing', allowed: 'a value' });
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

  /** A flag whose value is a comma-separated list of numbers. */
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

  /** A flag whose value may be left out: `bare` then; undefined without the flag. */
  integerOr(name: string, bare: number, min: number, max: number): number | undefined {
    return this.one(name) === true ? bare : this.integer(name, min, max);
  }

  /** A flag whose value is a comma-separated list, or left out for all: true then. */
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
      given: `${value.length} times: ${value.join(', ')}`,
      allowed: 'once',
    });
  }
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
