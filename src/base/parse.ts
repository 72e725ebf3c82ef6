// Parses all plain data from outside: options of public functions, and JSON. A schema says what an
// object may contain; anything else becomes a UsageError that names the function and the field. See
// optionsSchema for how to parse options; values are in values.ts.

import * as z from 'zod';
import { UsageError } from './errors.ts';
import { nearestWord } from './nearest.ts';

/** A schema of an object with these fields and no others. */
export type ObjectSchema<Fields extends z.ZodRawShape> = z.ZodObject<Fields, z.core.$strict>;

/** Lists are read-only in the types that users see, but not in those that zod infers. */
type ReadonlyLists<T> = {
  readonly [K in keyof T]: T[K] extends infer V
    ? V extends readonly unknown[]
      ? Readonly<V>
      : V
    : never;
};
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Describes<T, Found> =
  Same<keyof T, keyof Found> extends true ? Same<ReadonlyLists<T>, ReadonlyLists<Found>> : false;

/**
 * A schema for the options of a public function, checked against their type at compile time: it is
 * a type error if a field is missing in one of the two, has different types, or is optional in only
 * one. The type remains an interface, which documents the options.
 *
 *     const dropoutSchema = optionsSchema<DropoutOptions>()({
 *       p: share,
 *       seed: wholeNumber(0).exactOptional(),
 *     });
 *
 *     export function dropout(options: DropoutOptions): DropoutSpec {
 *       const { p, seed = 1 } = parseOptions('dropout', dropoutSchema, options);
 *
 * Each field is a value of values.ts or made by {@link accept}. Nested options are parsed by the
 * function that they belong to; their field accepts {@link anything}, or what is cheap to check.
 * The function checks combinations of options after parsing.
 */
export function optionsSchema<T extends object>() {
  return <Fields extends { readonly [K in keyof T]-?: z.ZodType }>(
    fields: Describes<T, z.input<ObjectSchema<Fields>>> extends true
      ? Fields
      : { readonly 'schema and type differ': Fields },
  ): ObjectSchema<Fields> => z.strictObject(fields as Fields);
}

/** The values of an object's fields, for a description that is turned into a schema later. */
export type FieldsFor<T extends object> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? z.ZodExactOptional<z.ZodType<Exclude<T[K], undefined>>>
    : z.ZodType<T[K]>;
};

/** A schema of the fields of a description. */
export function objectSchema(
  fields: Readonly<Record<string, z.ZodType>>,
): ObjectSchema<Readonly<Record<string, z.ZodType>>> {
  return z.strictObject(fields);
}

/** Hints that improve errors about options. */
export interface ParseHints {
  /** A correct call, for callers that did not pass an object: `sgd({ lr: 0.1 })`. */
  readonly example?: string;
  /** Fields that are known but not allowed, each with the rest of the sentence after its name, such
   * as `is decided by the checkpoint`. */
  readonly refused?: Readonly<Record<string, string>>;
}

/** Checks the options of a public function and returns a new object without undefined fields.
 * Throws a {@link UsageError} for anything but an object, for unknown fields, with the nearest
 * known name, and for the first field that the schema rejects. `what` is the name of the
 * function. */
export function parseOptions<Fields extends z.ZodRawShape>(
  what: string,
  schema: ObjectSchema<Fields>,
  given: unknown,
  hints: ParseHints = {},
): z.infer<ObjectSchema<Fields>> {
  const hint = hints.example;
  checkObject(`options of ${what}`, given, hint);
  const known = Object.keys(schema.shape);
  const present: Record<string, unknown> = {};
  for (const key of Object.keys(given)) {
    const refused = hints.refused?.[key];
    if (refused !== undefined) throw new UsageError({ what: `${what}: ${key}`, problem: refused });
    if (!known.includes(key)) throw unknownField(what, 'option', key, known);
    if (given[key] instanceof Promise) throw unawaited(what, key);
    if (given[key] !== undefined) present[key] = given[key];
  }
  return parseFields(schema, present, (path) => `${what} ${path}`);
}

function unawaited(what: string, key: string): UsageError {
  return new UsageError({
    what: `${what} ${key}`,
    problem: 'is a promise',
    hint: 'await before it',
  });
}

/** Checks plain data, such as JSON; `what` is its name. Throws a {@link UsageError} that names the
 * field. */
export function parseData<T>(schema: z.ZodType<T>, data: unknown, what: string): T {
  return parseFields(schema, data, (path) => (path === '' ? what : `${what}, ${path}`));
}

/** Splits data with a field `kind` into the kind, one of `kinds`, and the other fields. `calls` are
 * the calls that make such data, by kind, for callers that passed a name or the function itself. */
export function parseKind<Kind extends string>(
  what: string,
  calls: Readonly<Record<Kind, string>>,
  given: unknown,
): { readonly kind: Kind; readonly rest: Readonly<Record<string, unknown>> } {
  const kinds = Object.keys(calls) as Kind[];
  const callOf = (name: unknown): string => {
    const near = typeof name === 'string' ? nearestName(name, kinds) : undefined;
    return near === undefined ? kinds.map((kind) => calls[kind]).join(' or ') : calls[near as Kind];
  };
  checkObject(what, given, callOf(typeof given === 'function' ? given.name : given));
  const { kind, ...rest } = given;
  if (kinds.includes(kind as Kind)) return { kind: kind as Kind, rest };
  throw new UsageError({
    what: `${what}, kind`,
    given: kind,
    allowed: kinds.join(', '),
    hint: callOf(kind),
  });
}

/** Whether a value is a plain object, not a list, map, date or promise. */
export function isObject(given: unknown): given is Readonly<Record<string, unknown>> {
  return Object.prototype.toString.call(given) === '[object Object]';
}

function checkObject(
  what: string,
  given: unknown,
  hint: string | undefined,
): asserts given is Readonly<Record<string, unknown>> {
  if (isObject(given)) return;
  throw new UsageError({ what, given, allowed: 'an object', ...(hint !== undefined && { hint }) });
}

function parseFields<T>(schema: z.ZodType<T>, data: unknown, name: (path: string) => string): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const what = name(pathText(issue.path)).trim();
  if (issue.code === 'unrecognized_keys') {
    const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    throw unknownField(what, 'field', issue.keys[0]!, known);
  }
  throw new UsageError({ what, given: valueAt(data, issue.path), allowed: issue.message });
}

function unknownField(
  what: string,
  noun: string,
  key: string,
  known: readonly string[],
): UsageError {
  const near = nearestName(key, known);
  const all = known.length === 0 ? undefined : `one of ${known.join(', ')}`;
  const hint = near ?? all;
  return new UsageError({
    what: `${what}:`,
    problem: `unknown ${noun} ${key}`,
    ...(hint !== undefined && { hint }),
  });
}

/** The known name that was probably meant: `weight_decay` and `weight-decay` are weightDecay. */
function nearestName(typed: string, known: readonly string[]): string | undefined {
  const plain = (name: string): string => name.replace(/[_-]/g, '').toLowerCase();
  return known.find((name) => plain(name) === plain(typed)) ?? nearestWord(typed, known);
}

/** `betas[0]`, `data.mean`. */
function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

function valueAt(data: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => {
    return (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  }, data);
}
