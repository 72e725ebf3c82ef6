// Parses layers from plain data: checks the fields of a kind and calls the builder, which fills in
// the defaults. Every layer has its form beside its builder; forms.ts lists them.

import * as z from 'zod';
import { parseData } from '../../base/parse.ts';
import { jsonOf, listOf } from '../../base/values.ts';
import { size } from './options.ts';

/** The JSON form of one kind of layer. */
export interface LayerForm<Spec extends { readonly kind: string }> {
  readonly kind: Spec['kind'];
  /** The schema of the fields other than `kind`. */
  readonly schema: z.ZodObject;
  /** Example fields for a layer that needs one of several fields, none of which is required. */
  readonly example: Readonly<Record<string, unknown>>;
  /** Throws a UsageError that names the layer by its path. */
  parse(json: Readonly<Record<string, unknown>>, path: string): Spec;
}

/** Makes a form that checks the fields other than `kind`, then calls the builder. */
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
