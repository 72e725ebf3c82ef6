// From JSON to a model: every field checked, unknown ones refused, defaults filled in by the same
// builders that code uses. Errors name the layer by its place in the file.

import { z } from 'zod';
import { UsageError } from '../../base/errors.ts';
import { isObject, parseData } from '../../base/parse.ts';
import { accept, anything, atLeastZero, listOf, shareBelowOne, text } from '../../base/values.ts';
import { checkModelShapes } from '../graph/graph.ts';
import { gelu, geluSchema, leakyRelu, relu, sigmoid, tanh } from '../specs/activations.ts';
import { batchRenorm, batchRenormSchema } from '../specs/batchRenorm.ts';
import { conv2d, conv2dSchema } from '../specs/conv2d.ts';
import { customSpec } from '../specs/custom.ts';
import { checkDepth } from '../specs/depth.ts';
import { dropout } from '../specs/dropout.ts';
import { filterResponseNorm, filterResponseNormSchema } from '../specs/filterResponseNorm.ts';
import { flatten } from '../specs/flatten.ts';
import { linear, linearSchema } from '../specs/linear.ts';
import {
  batchNorm,
  batchNormSchema,
  groupNorm,
  instanceNorm,
  instanceNormSchema,
  layerNorm,
  sampleNormSchema,
} from '../specs/norms.ts';
import { size } from '../specs/options.ts';
import { avgPool, avgPoolSchema, globalAvgPool, maxPool, maxPoolSchema } from '../specs/pools.ts';
import { gru, gruSchema, rnn, rnnSchema } from '../specs/recurrent.ts';
import { reshape } from '../specs/reshape.ts';
import { rmsNorm, rmsNormSchema } from '../specs/rmsNorm.ts';
import type { LayerSpec } from '../specs/spec.ts';

const LAYER = 'a layer, such as nn.relu()';

type Parser = (json: unknown, path: string) => LayerSpec;

/** A parser that checks the fields, then calls the builder. */
function leaf<Shape extends z.ZodRawShape>(
  kind: string,
  fields: Shape,
  build: (options: z.infer<z.ZodObject<Shape, z.core.$strict>>) => LayerSpec,
): [string, Parser] {
  const schema = z.strictObject(fields);
  const parse: Parser = (json, path) => {
    const { kind: _kind, ...given } = json as Record<string, unknown>;
    const present = Object.entries(given).filter(([, value]) => value !== undefined);
    const rest = Object.fromEntries(present);
    return build(parseData(schema, rest, path));
  };
  return [kind, parse];
}

const channels = { channels: size };
const normalized = { normalizedShape: listOf<number>('a list of sizes', isSize) };
const recurrent = { inputSize: size, hiddenSize: size };

const parsers = new Map<string, Parser>([
  leaf('avgPool', avgPoolSchema.shape, (options) => avgPool(options)),
  leaf('batchNorm', { ...channels, ...batchNormSchema.shape }, ({ channels, ...options }) =>
    batchNorm(channels, options),
  ),
  leaf('batchRenorm', { ...channels, ...batchRenormSchema.shape }, ({ channels, ...options }) =>
    batchRenorm(channels, options),
  ),
  leaf(
    'conv2d',
    { inChannels: size, outChannels: size, ...conv2dSchema.shape },
    ({ inChannels, outChannels, ...options }) => conv2d(inChannels, outChannels, options),
  ),
  leaf('custom', { module: text, options: anything() }, ({ module, options }) =>
    customSpec(module, options),
  ),
  leaf('dropout', { p: shareBelowOne.exactOptional() }, ({ p }) => dropout(p)),
  leaf('filterResponseNorm', { ...channels, ...filterResponseNormSchema.shape }, (fields) => {
    const { channels, ...options } = fields;
    return filterResponseNorm(channels, options);
  }),
  leaf('flatten', {}, () => flatten()),
  leaf('gelu', geluSchema.shape, (options) => gelu(options)),
  leaf('globalAvgPool', {}, () => globalAvgPool()),
  leaf('groupNorm', { numGroups: size, ...channels, ...sampleNormSchema.shape }, (fields) => {
    const { numGroups, channels, ...options } = fields;
    return groupNorm(numGroups, channels, options);
  }),
  leaf('gru', { ...recurrent, ...gruSchema.shape }, ({ inputSize, hiddenSize, ...options }) =>
    gru(inputSize, hiddenSize, options),
  ),
  leaf('instanceNorm', { ...channels, ...instanceNormSchema.shape }, (fields) => {
    const { channels, ...options } = fields;
    return instanceNorm(channels, options);
  }),
  leaf('layerNorm', { ...normalized, ...sampleNormSchema.shape }, (fields) => {
    const { normalizedShape, ...options } = fields;
    return layerNorm(normalizedShape, options);
  }),
  leaf('leakyRelu', { negativeSlope: atLeastZero.exactOptional() }, ({ negativeSlope }) =>
    leakyRelu(negativeSlope),
  ),
  leaf(
    'linear',
    { inFeatures: size, outFeatures: size, ...linearSchema.shape },
    ({ inFeatures, outFeatures, ...options }) => linear(inFeatures, outFeatures, options),
  ),
  leaf('maxPool', maxPoolSchema.shape, (options) => maxPool(options)),
  leaf('relu', {}, () => relu()),
  leaf('reshape', { shape: listOf<number>('a list of sizes', isSize) }, ({ shape }) =>
    reshape(shape),
  ),
  leaf('rmsNorm', { ...normalized, ...rmsNormSchema.shape }, (fields) => {
    const { normalizedShape, ...options } = fields;
    return rmsNorm(normalizedShape, options);
  }),
  leaf('rnn', { ...recurrent, ...rnnSchema.shape }, ({ inputSize, hiddenSize, ...options }) =>
    rnn(inputSize, hiddenSize, options),
  ),
  leaf('sigmoid', {}, () => sigmoid()),
  leaf('tanh', {}, () => tanh()),
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

function isSize(value: unknown): boolean {
  return size.safeParse(value).success;
}

function parseLayer(json: unknown, path: string): LayerSpec {
  if (!isObject(json)) throw new UsageError({ what: path, given: json, allowed: LAYER });
  const kind = json.kind;
  const parser = typeof kind === 'string' ? parsers.get(kind) : undefined;
  if (parser !== undefined) return parser(json, path);
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
