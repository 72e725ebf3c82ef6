// From JSON to a model: every field checked, unknown ones refused, defaults filled in by the same
// builders that code uses. Errors name the layer by its place in the file.

import * as z from 'zod';
import { UsageError } from '../../base/errors.ts';
import { isObject, parseData } from '../../base/parse.ts';
import { accept, anything, listOf } from '../../base/values.ts';
import { checkModelShapes } from '../graph/graph.ts';
import { checkDepth } from '../specs/depth.ts';
import { layerForms } from '../specs/forms.ts';
import type { LayerSpec } from '../specs/spec.ts';

const LAYER = 'a layer, such as nn.relu()';

type Parse = (json: Readonly<Record<string, unknown>>, path: string) => LayerSpec;

const parsers: ReadonlyMap<string, Parse> = new Map<string, Parse>([
  ...layerForms.map(({ kind, parse }) => [kind, parse] as const),
  ['residual', parseResidual],
  ['sequential', parseSequential],
]);

/** A model from plain data, such as JSON; `what` names it in errors. Throws a {@link UsageError}
 * that names the layer, or the layer and both shapes where they do not fit. */
export function parseModel(json: unknown, what = 'model'): LayerSpec {
  if (typeof what !== 'string') {
    throw new UsageError({ what: 'parseModel what', given: what, allowed: 'a name for errors' });
  }
  checkDepth(what, json);
  const model = parseLayer(json, what);
  checkModelShapes(model);
  return model;
}

function parseLayer(json: unknown, path: string): LayerSpec {
  if (!isObject(json)) throw new UsageError({ what: path, given: json, allowed: LAYER });
  const { kind } = json;
  const parse = typeof kind === 'string' ? parsers.get(kind) : undefined;
  if (parse !== undefined) return parse(json, path);
  throw new UsageError({
    what: `kind of ${path}`,
    given: kind,
    allowed: [...parsers.keys()].sort().join(', '),
  });
}

function parseSequential(json: unknown, path: string): LayerSpec {
  const schema = z.strictObject({
    kind: z.literal('sequential'),
    layers: listOf<unknown>('a list of layers', () => true),
  });
  const { layers } = parseData(schema, json, path);
  const parsed = Array.from(layers, (layer, i) => parseLayer(layer, `${path}, layers[${i}]`));
  return { kind: 'sequential', layers: parsed };
}

function parseResidual(json: unknown, path: string): LayerSpec {
  const schema = z.strictObject({
    kind: z.literal('residual'),
    body: anything(),
    shortcut: accept<unknown>('a layer, or null', () => true).optional(),
  });
  const { body, shortcut } = parseData(schema, json, path);
  const isIdentity = shortcut === undefined || shortcut === null;
  return {
    kind: 'residual',
    body: parseLayer(body, `${path}, body`),
    shortcut: isIdentity ? null : parseLayer(shortcut, `${path}, shortcut`),
  };
}
