// Parses models from JSON: checks every field, rejects unknown ones, and fills in defaults with the
// builders that code uses. Errors name the layer by its place in the file.

import * as z from 'zod';
import { UsageError } from '../../base/errors.ts';
import { isObject, parseData } from '../../base/parse.ts';
import { accept, anything, listOf } from '../../base/values.ts';
import { checkModelShapes } from '../graph/graph.ts';
import { checkDepth } from '../specs/depth.ts';
import { layerForms } from '../specs/forms.ts';
import { isJoin, JOIN_INPUTS, type JoinSpec } from '../specs/joins.ts';
import {
  GRAPH_INPUT,
  type GraphNode,
  type GraphSpec,
  headNames,
  type LayerSpec,
  MAIN_OUTPUT,
} from '../specs/spec.ts';

const LAYER = 'a layer, such as nn.relu()';

const NODE_NAME = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
/** Not a number, since objects reorder numeric keys, and not the name of the main output. */
const HEAD_NAME = new RegExp(`^(?!${MAIN_OUTPUT}$)[A-Za-z][A-Za-z0-9_-]*$`);
const isText = (value: unknown): boolean => typeof value === 'string';
const layerJson = { $ref: '#/$defs/layer' };

function areHeads(value: unknown): boolean {
  if (!isObject(value)) return false;
  const heads = Object.entries(value);
  return heads.length > 0 && heads.every(([name, node]) => HEAD_NAME.test(name) && isText(node));
}

/** The specs that arrange others. Their contents are parsed separately; the JSON schema of models
 * (modelSchema.ts) describes them. */
export const compositeSchemas = {
  graph: z.strictObject({
    kind: z.literal('graph'),
    nodes: listOf<unknown>('a list of nodes', () => true, { $ref: '#/$defs/graphNode' }),
    output: accept<string>('the name of a node', isText, { type: 'string' }),
    heads: accept<Readonly<Record<string, string>>>(
      `names of nodes by those of heads: letters, digits, _ and -, not '${MAIN_OUTPUT}'`,
      areHeads,
      {
        type: 'object',
        propertyNames: { pattern: HEAD_NAME.source },
        additionalProperties: { type: 'string' },
        minProperties: 1,
      },
    ).exactOptional(),
  }),
  residual: z.strictObject({
    kind: z.literal('residual'),
    body: anything<unknown>(LAYER, layerJson),
    shortcut: accept<unknown>('a layer, or null', () => true, {
      anyOf: [layerJson, { type: 'null' }],
    }).optional(),
  }),
  sequential: z.strictObject({
    kind: z.literal('sequential'),
    layers: listOf<unknown>('a list of layers', () => true, layerJson),
  }),
};

export const nodeSchema = z.strictObject({
  name: accept<string>(
    'a name of letters, digits, _, - and dots',
    (name) => typeof name === 'string' && NODE_NAME.test(name),
    { type: 'string', pattern: NODE_NAME.source },
  ),
  layer: accept<unknown>(LAYER, (layer) => layer !== undefined, { $ref: '#/$defs/nodeLayer' }),
  from: listOf<string>('a list of names', isText, { type: 'string' }),
});

type Parse = (json: Readonly<Record<string, unknown>>, path: string) => LayerSpec;

const parsers: ReadonlyMap<string, Parse> = new Map<string, Parse>([
  ...layerForms.map(({ kind, parse }) => [kind, parse] as const),
  ['graph', parseGraph],
  ['residual', parseResidual],
  ['sequential', parseSequential],
]);

/** Parses a model from plain data, such as JSON; `what` names it in errors. The field `$schema` of
 * the model, which editors use, is ignored. Throws a {@link UsageError} that names the layer, or
 * the layer and both shapes if they do not fit.
 *
 * @example
 * nn.parseModel({ kind: 'linear', inFeatures: 8, outFeatures: 2 }) // [8] -> [2] */
export function parseModel(json: unknown, what = 'model'): LayerSpec {
  if (typeof what !== 'string') {
    throw new UsageError({ what: 'parseModel what', given: what, allowed: 'a name for errors' });
  }
  checkDepth(what, json);
  const model = parseLayer(withoutSchema(json), what);
  checkModelShapes(model);
  return model;
}

function withoutSchema(json: unknown): unknown {
  if (!isObject(json)) return json;
  const { $schema: _schema, ...model } = json;
  return model;
}

function parseLayer(json: unknown, path: string): LayerSpec {
  if (!isObject(json)) throw notLayer(json, path);
  const { kind } = json;
  const parse = typeof kind === 'string' ? parsers.get(kind) : undefined;
  if (parse !== undefined) return parse(json, path);
  throw new UsageError({
    what: `kind of ${path}`,
    given: kind,
    allowed: [...parsers.keys()].sort().join(', '),
  });
}

function notLayer(given: unknown, what: string): UsageError {
  const hint = hintFor(given);
  return new UsageError({ what, given, allowed: LAYER, ...(hint !== undefined && { hint }) });
}

function hintFor(given: unknown): string | undefined {
  if (Array.isArray(given)) return 'nn.sequential([...]) with these layers';
  if (typeof given !== 'string') return undefined;
  return `nn.namedModel(${JSON.stringify(given)}, { inputShape, classes })`;
}

/** Parses a layer within another one. */
function parseInner(json: unknown, path: string): LayerSpec {
  const layer = parseLayer(json, path);
  const heads = headNames(layer);
  if (heads.length === 0) return layer;
  throw new UsageError({
    what: `heads of ${path}`,
    given: heads.join(', '),
    allowed: 'heads of the graph that is the whole model',
    hint: 'the layers around it as nodes of one graph',
  });
}

function parseSequential(json: unknown, path: string): LayerSpec {
  const { layers } = parseData(compositeSchemas.sequential, json, path);
  const parsed = Array.from(layers, (layer, i) => parseInner(layer, `${path}, layers[${i}]`));
  return { kind: 'sequential', layers: parsed };
}

function parseResidual(json: unknown, path: string): LayerSpec {
  const { body, shortcut } = parseData(compositeSchemas.residual, json, path);
  const isIdentity = shortcut === undefined || shortcut === null;
  return {
    kind: 'residual',
    body: parseInner(body, `${path}, body`),
    shortcut: isIdentity ? null : parseInner(shortcut, `${path}, shortcut`),
  };
}

function parseGraph(json: unknown, path: string): GraphSpec {
  const { nodes, output, heads } = parseData(compositeSchemas.graph, json, path);
  const known = new Set([GRAPH_INPUT]);
  const unread = new Set(known);
  const read = (name: string, what: string): void => {
    if (!known.has(name)) {
      const allowed = `${GRAPH_INPUT} or an earlier node: ${[...known].join(', ')}`;
      throw new UsageError({ what, given: name, allowed });
    }
    unread.delete(name);
  };
  const parsed = Array.from(nodes, (node, i): GraphNode => {
    const what = `${path}, nodes[${i}]`;
    const { name, layer, from } = parseData(nodeSchema, node, what);
    if (known.has(name)) {
      throw new UsageError({ what: `name of ${what}`, given: name, allowed: 'a unique name' });
    }
    for (const value of from) read(value, `${what}, from`);
    known.add(name);
    unread.add(name);
    return { name, layer: parseNodeLayer(layer, from.length, `${what} (${name})`), from };
  });
  read(output, `output of ${path}`);
  for (const [name, node] of Object.entries(heads ?? {})) read(node, `head ${name} of ${path}`);
  if (unread.size === 0) {
    return { kind: 'graph', nodes: parsed, output, ...(heads !== undefined && { heads }) };
  }
  throw new UsageError({
    what: path,
    problem: `never reads ${[...unread].join(', ')}`,
    hint: 'remove nodes that nothing reads',
  });
}

function parseNodeLayer(json: unknown, count: number, path: string): LayerSpec | JoinSpec {
  const join =
    isObject(json) && isJoin(json as { kind: string }) ? parseJoin(json, path) : undefined;
  const { least, most } = join === undefined ? { least: 1, most: 1 } : JOIN_INPUTS[join.kind];
  if (count < least || count > most) {
    throw new UsageError({
      what: `from of ${path}`,
      given: `${count} values`,
      allowed: least === most ? `${least}` : `${least} to ${most}`,
      hint: 'add, multiply or concat to make one value of several',
    });
  }
  return join ?? parseInner(json, path);
}

function parseJoin(json: unknown, path: string): JoinSpec {
  const kinds = Object.keys(JOIN_INPUTS) as JoinSpec['kind'][];
  return parseData(z.strictObject({ kind: z.enum(kinds) }), json, path);
}
