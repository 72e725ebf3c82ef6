// The builders of optimizers, which check options, fill in defaults and return plain data.

import type * as z from 'zod';
import { objectSchema, parseKind, parseOptions } from '../base/parse.ts';
import * as values from '../base/values.ts';
import { OPTIMIZER_NAMES } from './bindOptimizer.ts';
import type { OptimizerKind } from './kind.ts';
import {
  type OptimizerBuilders,
  type OptimizerName,
  type OptimizerSpec,
  optimizerKinds,
} from './optimizers.ts';

/** The builders of all optimizers, by name. */
export const optimizers = Object.fromEntries(
  OPTIMIZER_NAMES.map((name) => [name, builderOf(name)]),
) as unknown as OptimizerBuilders;

export const { adam, adamw, sgd } = optimizers;

function checksOf(name: OptimizerName): Readonly<Record<string, z.ZodType>> {
  const checks = optimizerKinds[name].checks as (words: typeof values) => object;
  return checks(values) as Readonly<Record<string, z.ZodType>>;
}

type AnyOptions = Readonly<Record<string, unknown>>;

function builderOf(name: OptimizerName): (options: unknown) => OptimizerSpec {
  const kind = optimizerKinds[name] as unknown as OptimizerKind<AnyOptions, OptimizerSpec>;
  const { example } = kind;
  let schema: ReturnType<typeof objectSchema> | undefined;
  return (options) => {
    schema ??= objectSchema(checksOf(name));
    const given = options === undefined && schema.safeParse({}).success ? {} : options;
    return kind.specOf(parseOptions(name, schema, given, { example }));
  };
}

/** The options that an optimizer takes. */
export function optionNamesOf(name: OptimizerName): readonly string[] {
  return Object.keys(checksOf(name));
}

/** Parses an optimizer from plain data: the result of a builder, or its options with a `kind`.
 * Throws a UsageError. */
export function parseOptimizer(given: unknown): OptimizerSpec {
  const calls = OPTIMIZER_NAMES.map((name) => [name, `optim.${optimizerKinds[name].example}`]);
  const { kind, rest } = parseKind(
    'optimizer',
    Object.fromEntries(calls) as Record<OptimizerName, string>,
    given,
  );
  return builderOf(kind)(rest);
}
