// The JSON schema of models, for editors and other programs, from the forms that parseModel uses;
// defaults are those of the builders. It cannot express what the parser learns from shapes, such as
// channels that groups do not divide, or which nodes of a graph exist.

import * as z from 'zod';
import { InvariantError } from '../../base/errors.ts';
import type { JsonSchema } from '../../base/values.ts';
import { layerForms } from '../specs/forms.ts';
import { JOIN_INPUTS } from '../specs/joins.ts';
import { compositeSchemas, nodeSchema } from './parse.ts';

/** The dialect that VS Code and most validators support; the fields used here mean the same in
 * later drafts. */
const DIALECT = 'http://json-schema.org/draft-07/schema#';

type Fields = Readonly<Record<string, JsonSchema>>;

/** The schema of a model: a layer at `$defs/<kind>` for each kind. */
export function modelSchema(): JsonSchema & { readonly $defs: Fields } {
  const leaves = layerForms.map((form) => [form.kind, leafSchema(form)] as const);
  const composites = Object.entries(compositeSchemas).map(([kind, schema]) => {
    return [kind, objectOf(schema, kind)] as const;
  });
  const layers = [...leaves, ...composites].sort(([a], [b]) => (a < b ? -1 : 1));
  const kinds = layers.map(([kind]) => kind);
  return {
    $schema: DIALECT,
    title: 'A syncbn model',
    description: 'A layer. Most models are a layer of kind sequential.',
    allOf: [{ $ref: '#/$defs/anyLayer' }],
    $defs: {
      anyLayer: {
        type: 'object',
        properties: { kind: { enum: kinds } },
        required: ['kind'],
        allOf: kinds.map((kind) => ofKinds([kind], { $ref: `#/$defs/${kind}` })),
      },
      layer: {
        description: 'A layer within a model.',
        allOf: [{ $ref: '#/$defs/anyLayer' }, { type: 'object', properties: { $schema: false } }],
      },
      nodeLayer: {
        description: 'A layer of one value, or a join of several.',
        ...ofKinds(Object.keys(JOIN_INPUTS), { $ref: '#/$defs/join' }),
        else: { $ref: '#/$defs/layer' },
      },
      join: {
        type: 'object',
        properties: { kind: { enum: Object.keys(JOIN_INPUTS) } },
        required: ['kind'],
        additionalProperties: false,
      },
      graphNode: nodeJson(),
      ...Object.fromEntries(layers),
    },
  };
}

/** A condition that applies if the field `kind` is one of these. */
function ofKinds(kinds: readonly string[], then: JsonSchema): JsonSchema {
  const kind = kinds.length === 1 ? { const: kinds[0] } : { enum: kinds };
  return conditional({ type: 'object', properties: { kind }, required: ['kind'] }, then);
}

function conditional(condition: JsonSchema, consequence: JsonSchema): JsonSchema {
  return Object.fromEntries([
    ['if', condition],
    ['then', consequence],
  ]);
}

/** Also accepts a field `$schema`, which the whole model may have. */
function objectOf(schema: z.ZodObject, kind?: string): JsonSchema {
  const options = { target: 'draft-7', io: 'input', unrepresentable: 'any' } as const;
  const { properties = {}, required = [] } = z.toJSONSchema(schema, options);
  const { kind: _kind, ...fields } = properties as Record<string, JsonSchema>;
  const named = kind !== undefined && { $schema: { type: 'string' }, kind: { const: kind } };
  return {
    type: 'object',
    properties: { ...named, ...fields },
    required: [
      ...(kind === undefined ? [] : ['kind']),
      ...required.filter((name) => name !== 'kind'),
    ],
    additionalProperties: false,
  };
}

function leafSchema({ kind, schema, example, parse }: (typeof layerForms)[number]): JsonSchema {
  const json = objectOf(schema, kind);
  const fields = json.properties as Fields;
  const required = (json.required as string[]).filter((name) => name !== 'kind');
  // Defaults that follow other fields, such as the stride of a pool, differ between two examples.
  const [a, b] = [0, 1].map((nth) => {
    const given = required.map((name) => [name, exampleOf(fields[name]!, nth)]);
    return parse({ kind, ...example, ...Object.fromEntries(given) }, kind) as unknown as Fields;
  });
  const withDefaults = Object.entries(fields).map(([name, field]) => {
    const isFixed = JSON.stringify(a![name]) === JSON.stringify(b![name]);
    const isGiven = name === 'kind' || required.includes(name) || name in example;
    const hasDefault = name in a! && !isGiven && isFixed;
    return [name, hasDefault ? { ...field, default: shortPair(a![name]) } : field] as const;
  });
  return { ...json, properties: Object.fromEntries(withDefaults) };
}

/** The nth of some values that a field takes. */
function exampleOf({ type, minimum, items, anyOf, ...field }: JsonSchema, nth: number): unknown {
  if (anyOf !== undefined) return exampleOf((anyOf as JsonSchema[])[0]!, nth);
  if (type === 'integer') return (minimum as number) + nth;
  if (type === 'number') return ((minimum as number | undefined) ?? 0) + nth / 4;
  if (type === 'string') return `example-${nth}`;
  if (type === 'array') return [exampleOf(items as JsonSchema, nth)];
  if (Object.keys(field).length === 0) return null;
  throw new InvariantError('a required field', type, 'of a type with an example');
}

/** [height, width] in the form that JSON may have. */
function shortPair(value: unknown): unknown {
  return Array.isArray(value) && value.length === 2 && value[0] === value[1] ? value[0] : value;
}

/** A node of a graph: joins read several values, all other layers one. */
function nodeJson(): JsonSchema {
  const isOf = (kinds: readonly string[]): JsonSchema => {
    return { type: 'object', properties: { layer: ofKinds(kinds, {}).if } };
  };
  const reads = (least: number, most: number): JsonSchema => {
    const from = { type: 'array', minItems: least, maxItems: most };
    return { type: 'object', properties: { from } };
  };
  const joins = Object.entries(JOIN_INPUTS);
  return {
    ...objectOf(nodeSchema),
    allOf: [
      ...joins.map(([kind, { least, most }]) => conditional(isOf([kind]), reads(least, most))),
      { if: isOf(joins.map(([kind]) => kind)), else: reads(1, 1) },
    ],
  };
}
