// From JSON to a model: every field checked, unknown ones refused, defaults filled in by the same
// builders that code uses. Errors name the layer by its place in the file.

import { z } from 'zod';
import { UsageError } from '../base/errors.ts';
import { parseData } from '../base/parse.ts';
import { gelu, leakyRelu, relu, sigmoid, tanh } from './activations.ts';
import { batchRenorm } from './batchRenorm.ts';
import { conv2d } from './conv2d.ts';
import { custom } from './custom.ts';
import { checkDepth } from './depth.ts';
import { dropout } from './dropout.ts';
import { filterResponseNorm } from './filterResponseNorm.ts';
import { flatten } from './flatten.ts';
import { linear } from './linear.ts';
import { crossEntropy, type LossSpec, meanSquaredError } from './losses.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from './norms.ts';
import { avgPool, globalAvgPool, maxPool } from './pools.ts';
import { gru, rnn } from './recurrent.ts';
import { reshape } from './reshape.ts';
import { rmsNorm } from './rmsNorm.ts';
import { type LayerSpec, residual, sequential } from './spec.ts';

const size = z.number();
const pair = z.union([size, z.tuple([size, size])]);
const optionalPair = pair.exactOptional();
const flag = z.boolean().exactOptional();
const number = z.number().exactOptional();
const init = z
  .enum(['torch', 'kaimingUniform', 'kaimingNormal', 'xavierUniform', 'xavierNormal'])
  .exactOptional();
const window = { kernel: pair, stride: optionalPair, padding: optionalPair };
const norm = { eps: number, affine: flag };
const momentum = z.number().nullable().exactOptional();
const sync = z.union([z.enum(['local', 'sync']), z.number()]).exactOptional();

const recurrent = {
  ...{ inputSize: size, hiddenSize: size, bias: flag, returnSequence: flag },
  norm: z.enum(['none', 'layer', 'batch']).exactOptional(),
  ...{ eps: number, momentum, sync },
};

type Parser = (json: unknown, path: string) => LayerSpec;

/** A parser that checks the fields, then calls the builder. */
function leaf<Shape extends z.ZodRawShape>(
  kind: string,
  fields: Shape,
  build: (options: z.infer<z.ZodObject<Shape, z.core.$strict>>) => LayerSpec,
): [string, Parser] {
  const schema = z.strictObject(fields);
  const parse: Parser = (json, path) => {
    const { kind: _kind, ...rest } = json as Record<string, unknown>;
    return build(parseData(schema, rest, path));
  };
  return [kind, parse];
}

const parsers = new Map<string, Parser>([
  leaf('avgPool', { ...window, countIncludePad: flag }, (options) => avgPool(options)),
  leaf(
    'batchNorm',
    {
      channels: size,
      ...norm,
      momentum,
      trackRunningStats: flag,
      sync,
      virtualBatch: z.number().nullable().exactOptional(),
      frozen: flag,
    },
    ({ channels, ...options }) => batchNorm(channels, options),
  ),
  leaf(
    'batchRenorm',
    { channels: size, ...norm, momentum, sync, rMax: number, dMax: number, warmupSteps: number },
    ({ channels, ...options }) => batchRenorm(channels, options),
  ),
  leaf(
    'conv2d',
    {
      inChannels: size,
      outChannels: size,
      ...window,
      dilation: optionalPair,
      groups: number,
      bias: flag,
      init,
      weightStandardization: flag,
    },
    ({ inChannels, outChannels, ...options }) => conv2d(inChannels, outChannels, options),
  ),
  leaf('custom', { module: z.string(), options: z.unknown() }, ({ module, options }) =>
    custom(module, options),
  ),
  leaf('dropout', { p: number }, ({ p }) => dropout(p)),
  leaf('filterResponseNorm', { channels: size, ...norm, tlu: flag }, (fields) => {
    const { channels, ...options } = fields;
    return filterResponseNorm(channels, options);
  }),
  leaf('flatten', {}, () => flatten()),
  leaf('gelu', { approximate: z.enum(['none', 'tanh']).exactOptional() }, (options) =>
    gelu(options),
  ),
  leaf('globalAvgPool', {}, () => globalAvgPool()),
  leaf('groupNorm', { numGroups: size, channels: size, ...norm }, (fields) => {
    const { numGroups, channels, ...options } = fields;
    return groupNorm(numGroups, channels, options);
  }),
  leaf('gru', recurrent, ({ inputSize, hiddenSize, ...options }) =>
    gru(inputSize, hiddenSize, options),
  ),
  leaf(
    'instanceNorm',
    { channels: size, ...norm, momentum, trackRunningStats: flag },
    ({ channels, ...options }) => instanceNorm(channels, options),
  ),
  leaf('layerNorm', { normalizedShape: z.array(size), ...norm }, (fields) => {
    const { normalizedShape, ...options } = fields;
    return layerNorm(normalizedShape, options);
  }),
  leaf('leakyRelu', { negativeSlope: number }, ({ negativeSlope }) => leakyRelu(negativeSlope)),
  leaf(
    'linear',
    { inFeatures: size, outFeatures: size, bias: flag, init, weightStandardization: flag },
    ({ inFeatures, outFeatures, ...options }) => linear(inFeatures, outFeatures, options),
  ),
  leaf('maxPool', window, (options) => maxPool(options)),
  leaf('relu', {}, () => relu()),
  leaf('reshape', { shape: z.array(size) }, ({ shape }) => reshape(shape)),
  leaf('rmsNorm', { normalizedShape: z.array(size), ...norm }, (fields) => {
    const { normalizedShape, ...options } = fields;
    return rmsNorm(normalizedShape, options);
  }),
  leaf(
    'rnn',
    { ...recurrent, nonlinearity: z.enum(['tanh', 'relu']).exactOptional() },
    ({ inputSize, hiddenSize, ...options }) => rnn(inputSize, hiddenSize, options),
  ),
  leaf('sigmoid', {}, () => sigmoid()),
  leaf('tanh', {}, () => tanh()),
  ['residual', parseResidual],
  ['sequential', parseSequential],
]);

/** A model from JSON; `what` names it in errors. Throws a {@link UsageError} that names the
 * layer. */
export function parseModel(json: unknown, what: string): LayerSpec {
  checkDepth(what, json);
  return parseLayer(json, what);
}

/** A loss from JSON. */
export function parseLoss(json: unknown): LossSpec {
  const schema = z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('crossEntropy'), labelSmoothing: number }),
    z.strictObject({ kind: z.literal('meanSquaredError') }),
  ]);
  const { kind, ...options } = parseData(schema, json, 'loss');
  return kind === 'crossEntropy' ? crossEntropy(options) : meanSquaredError();
}

function parseLayer(json: unknown, path: string): LayerSpec {
  const { kind } = parseData(z.looseObject({ kind: z.string() }), json, path);
  const parser = parsers.get(kind);
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
    layers: z.array(z.unknown()),
  });
  const { layers } = parseData(schema, json, path);
  return sequential(layers.map((layer, i) => parseLayer(layer, `${path}, layers[${i}]`)));
}

function parseResidual(json: unknown, path: string): LayerSpec {
  const schema = z.strictObject({
    kind: z.literal('residual'),
    body: z.unknown(),
    shortcut: z.unknown().optional(),
  });
  const { body, shortcut } = parseData(schema, json, path);
  const isIdentity = shortcut === undefined || shortcut === null;
  return residual(
    parseLayer(body, `${path}, body`),
    isIdentity ? null : parseLayer(shortcut, `${path}, shortcut`),
  );
}
