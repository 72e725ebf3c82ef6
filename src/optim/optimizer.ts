// The builders of optimizers: options are checked, defaults filled in, plain data comes out.

import { objectSchema, parseKind, parseOptions } from '../base/parse.ts';
import * as values from '../base/values.ts';
import type { OptimizerKind } from './kind.ts';
import {
  OPTIMIZER_NAMES,
  type OptimizerName,
  type OptimizerSpec,
  type OptionsOf,
  optimizerKinds,
  type SpecOf,
} from './optimizers.ts';

/** Makes an optimizer of its options, which may be left out where all have defaults. Throws a
 * UsageError for options that are unknown, out of range, or do not fit together. */
export type OptimizerBuilder<Name extends OptimizerName> =
  Record<never, never> extends OptionsOf<Name>
    ? (options?: OptionsOf<Name>) => SpecOf<Name>
    : (options: OptionsOf<Name>) => SpecOf<Name>;

export type OptimizerBuilders = { readonly [Name in OptimizerName]: OptimizerBuilder<Name> };

/** The builders of all optimizers, by name. */
export const optimizers = Object.fromEntries(
  OPTIMIZER_NAMES.map((name) => [name, builderOf(name)]),
) as unknown as OptimizerBuilders;

export const { adam, adamw, sgd } = optimizers;

type AnyOptions = Readonly<Record<string, unknown>>;

function builderOf(name: OptimizerName): (options: unknown) => OptimizerSpec {
  const kind = optimizerKinds[name] as unknown as OptimizerKind<AnyOptions, OptimizerSpec>;
  const { example } = kind;
  const schema = objectSchema(kind.fields(values));
  const none = schema.safeParse({}).success ? {} : undefined;
  return (options = none) => kind.specOf(parseOptions(name, schema, options, { example }));
}

/** The options that an optimizer takes. */
export function optionNamesOf(name: OptimizerName): readonly string[] {
  return Object.keys(optimizerKinds[name].fields(values));
}

/** An optimizer from plain data: what the builders give, or their options with a `kind`. Throws a
 * UsageError. */
export function parseOptimizer(given: unknown): OptimizerSpec {
  const calls = OPTIMIZER_NAMES.map((name) => [name, `optim.${optimizerKinds[name].example}`]);
  const { kind, rest } = parseKind(
    'optimizer',
    Object.fromEntries(calls) as Record<OptimizerName, string>,
    given,
  );
  return builderOf(kind)(rest);
}
