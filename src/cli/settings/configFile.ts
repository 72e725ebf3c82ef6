// Settings files: flags as a JSON object, by name without dashes. They are checked against the
// flags of the command before anything is read from them.

import type * as z from 'zod';
import { UsageError } from '../../base/errors.ts';
import { isObject, objectSchema, parseData } from '../../base/parse.ts';
import { accept, flag as trueOrFalse } from '../../base/values.ts';
import { type Flag, type FlagGroup, flagsOf, type ValueKind } from './flagText.ts';
import { readJson } from './readJson.ts';

/** A value of a settings file. */
export type ConfigValue = string | number | boolean | readonly (string | number)[];
export type Config = Readonly<Record<string, ConfigValue>>;

/** Flags that a file cannot contain, since they say what to do with it. */
export const NOT_IN_FILES: readonly string[] = ['config', 'print-config'];

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
const isList = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((item) => isText(item) || isNumber(item));

interface Allowed {
  readonly allowed: string;
  readonly test: (value: unknown) => boolean;
}

/** What is allowed for each kind of flag. */
const VALUES: Readonly<Record<Exclude<ValueKind, 'switch'>, Allowed>> = {
  whole: { allowed: 'a whole number', test: Number.isInteger },
  number: { allowed: 'a number', test: isNumber },
  list: {
    allowed: 'a list, a number or text',
    test: (value) => isText(value) || isNumber(value) || isList(value),
  },
  text: { allowed: 'text', test: isText },
};

/** The flags in a settings file, as if they had been typed. Throws a {@link UsageError} for unknown
 * names, with the nearest known one, and for values of another type. */
export function readConfig(
  path: string,
  command: { readonly groups: readonly FlagGroup[] },
): Readonly<Record<string, string | true>> {
  const flags = flagsOf(command.groups).filter(({ name }) => !NOT_IN_FILES.includes(name));
  const what = `--config ${path}`;
  const given = readJson('config', path);
  if (!isObject(given)) throw new UsageError({ what, given, allowed: 'an object of flags' });
  const schema = objectSchema(
    Object.fromEntries(flags.map((flag) => [flag.name, schemaOf(flag).exactOptional()])),
  );
  const config = parseData(schema, given, what) as Config;
  return Object.fromEntries(
    Object.entries(config).flatMap(([name, value]) =>
      value === false ? [] : [[name, value === true ? true : textOf(value)] as const],
    ),
  );
}

function schemaOf({ kind, isOptional, words }: Flag): z.ZodType<ConfigValue> {
  if (kind === 'switch') return trueOrFalse;
  const { allowed, test } = isNumeric(kind) ? orWord(VALUES[kind], words) : VALUES[kind];
  if (!isOptional) return accept<ConfigValue>(allowed, test);
  return accept<ConfigValue>(
    `true, false or ${allowed}`,
    (value) => typeof value === 'boolean' || test(value),
  );
}

function isNumeric(kind: ValueKind): kind is 'whole' | 'number' {
  return kind === 'whole' || kind === 'number';
}

/** A number, or one of the words that a flag takes instead. */
function orWord({ allowed, test }: Allowed, words: readonly string[]): Allowed {
  if (words.length === 0) return { allowed, test };
  return {
    allowed: `${allowed} or ${words.join(', ')}`,
    test: (value) => test(value) || words.some((word) => word === value),
  };
}

function textOf(value: ConfigValue): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}

/** A flag's text as a value for a settings file. Throws a {@link UsageError} for text of another
 * type. */
export function configValue({ name, kind, words }: Flag, text: string | true): ConfigValue {
  if (text === true) return true;
  if (isNumeric(kind)) {
    if (words.includes(text)) return text;
    const value = Number(text);
    const { allowed, test } = orWord(VALUES[kind], words);
    if (test(value) && text.trim() !== '') return value;
    throw new UsageError({ what: `--${name}`, given: text, allowed });
  }
  if (kind !== 'list') return text;
  const items = text.split(',').map((item) => item.trim());
  const numbers = items.map(Number);
  return items.every((item, i) => item !== '' && `${numbers[i]}` === item) ? numbers : items;
}
