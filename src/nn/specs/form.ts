// From plain data to a layer: the fields of a kind, each checked, and the builder that fills in the
// defaults. Every layer has its form beside its builder; forms.ts lists them.

import * as z from 'zod';
import { parseData } from '../../base/parse.ts';
import { jsonOf, listOf } from '../../base/values.ts';
import { size } from './options.ts';

/** How JSON becomes a layer of one kind. */
export interface LayerForm<Spec extends { readonly kind: string }> {
  readonly kind: Spec['kind'];
  /** Of the fields besides `kind`. */
  readonly schema: z.ZodObject;
  /** Fields with which it works, where it needs one of several and none is required. */
  readonly example: Readonly<Record<string, unknown>>;
  /** Throws a UsageError that names the layer by its path. */
  parse(json: Readonly<Record<string, unknown>>, path: string): Spec;
}

/** A form that checks the fields besides `kind`, then calls the builder. */
export function layerForm<Fields extends z.ZodRawShape, Spec extends { readonly kind: string }>(
  kind: Spec['kind'],
  fields: Fields,
  build: (options: z.infer<z.ZodObject<Fields, z.core.$strict>>) => Spec,
  example: LayerForm<Spec>['example'] = {},
): LayerForm<Spec> {
  const schema = z.strictObject(fields);
  return {
    kind,
    schema,
    example,
    parse({ kind: _kind, ...given }, path) {
      const present = Object.entries(given).filter(([, value]) => value !== undefined);
      return build(parseData(schema, Object.fromEntries(present), path));
    },
  };
}

/** Shapes in JSON. */
export const sizes = listOf<number>(
  'a list of sizes',
  (value) => size.safeParse(value).success,
  jsonOf(size),
);
