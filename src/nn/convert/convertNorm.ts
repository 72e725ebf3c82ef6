// Replaces the normalizations of a model, as PyTorch's convert_sync_batchnorm does and more: a way
// to compare batch normalization, synchronized or not, with other normalizations on one model. Only
// makes specs; checkpoint/convertState.ts converts weights and running statistics.

import { checkInteger, UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { type Shape, sizeOf } from '../../base/shape.ts';
import { anything, oneOf, positive, wholeNumber } from '../../base/values.ts';
import { buildGraph } from '../graph/graph.ts';
import { NORM_KINDS, type NormKind } from '../layers/normTraits.ts';
import { sequential } from '../models/compose.ts';
import { parseModel } from '../models/parse.ts';
import { relu } from '../specs/activations.ts';
import type { SyncScope } from '../specs/normOptions.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../specs/norms.ts';
import { shapeOption } from '../specs/options.ts';
import type { RecurrentSpec } from '../specs/recurrent.ts';
import { type LayerSpec, type LeafSpec, leafPaths, leavesOf, mapLeaves } from '../specs/spec.ts';
import { checkKnown, chooseNorm } from './autoNorm.ts';
import { convertRecurrent } from './convertRecurrent.ts';
import { defaultNumGroups, largestDivisor } from './groupRule.ts';
import {
  isNorm,
  type NormSpec,
  normChannels,
  normKindOf,
  traitsOf,
  usesRunningStatistics,
} from './normLeaf.ts';
import {
  CONVERTED_KINDS,
  type ConvertNormOptions,
  NORM_TARGETS,
  type NormRequest,
  type NormTarget,
} from './normRequest.ts';

/** The kinds that each target already is. */
const KINDS_OF_TARGETS: Readonly<Record<NormTarget, readonly NormKind[]>> = {
  sync: [],
  local: [],
  group: ['groupNorm'],
  layer: ['layerNorm'],
  instance: ['instanceNorm'],
  frozen: ['frozenBatchNorm'],
  none: [],
  auto: [],
};

/** Returns the same model with other normalizations. `sync` and `local` only change which replicas
 * share the statistics of a batch normalization. Options that the new layer also has are carried
 * over; the others are lost: after a conversion back from `group`, momentum is 0.1 again. The
 * trained threshold of a filterResponseNorm becomes a ReLU. In recurrent layers that normalize,
 * the option `norm` changes. Throws a {@link UsageError} that names layer, value and choice if an
 * option does not fit.
 *
 * @example
 * nn.convertNorm(nn.batchNorm(8), { to: 'sync' }) // [7, 7, 8] -> [7, 7, 8] */
export function convertNorm(given: LayerSpec, request: ConvertNormOptions): LayerSpec {
  const options = parseConvertOptions(request);
  const model = parseModel(given, 'model of convertNorm');
  const { to, inputShape } = options;
  const kinds = kindsToConvert(options);
  const needsShapes = to === 'layer' || to === 'group' || to === 'auto';
  const shapes = needsShapes && inputShape !== undefined ? leafShapes(model, inputShape) : [];
  let index = 0;
  return mapLeaves(model, (leaf, path) => {
    const shape = shapes[index++];
    const kind = normKindOf(leaf);
    if (kind === undefined || !kinds.has(kind)) return leaf;
    return isNorm(leaf)
      ? convertLeaf(leaf, options, path, shape)
      : convertRecurrent(leaf as RecurrentSpec, options, path);
  });
}

function kindsToConvert({ to, kinds }: NormRequest): ReadonlySet<NormKind> {
  if (kinds === 'all') return new Set(NORM_KINDS);
  return new Set(kinds ?? [...CONVERTED_KINDS, ...KINDS_OF_TARGETS[to]]);
}

export interface KeptNorm {
  /** The path of the layer, such as `1.groupNorm`. */
  readonly path: string;
  readonly kind: NormKind;
}

/** The normalizations of a converted model that are not of the requested kind because their kinds
 * do not change by default. Empty if `kinds` was given. */
export function keptNorms(converted: LayerSpec, request: NormRequest): readonly KeptNorm[] {
  if (request.kinds !== undefined) return [];
  const changing = kindsToConvert(request);
  const paths = leafPaths(converted);
  return leavesOf(converted).flatMap((leaf, i) => {
    const kind = normKindOf(leaf);
    if (kind === undefined || changing.has(kind) || isMadeBy(request.to, leaf)) return [];
    return [{ path: paths[i]!, kind }];
  });
}

/** Whether an unchanged layer may be the result of a conversion to this target. */
function isMadeBy(to: NormTarget, leaf: LeafSpec): boolean {
  if (to === 'auto' && normKindOf(leaf) === 'groupNorm') return true;
  return (to === 'auto' || to === 'group') && 'norm' in leaf && leaf.norm === 'layer';
}

const requestFields = {
  to: oneOf(NORM_TARGETS),
  groupSize: wholeNumber(1).exactOptional(),
  numGroups: wholeNumber(1).exactOptional(),
  kinds: anything<NonNullable<NormRequest['kinds']>>().exactOptional(),
};
const requestSchema = optionsSchema<NormRequest>()(requestFields);
const convertSchema = optionsSchema<ConvertNormOptions>()({
  ...requestFields,
  inputShape: shapeOption.exactOptional(),
  replicas: wholeNumber(1).exactOptional(),
  replicaBatch: positive.exactOptional(),
});

/** Parses the option `norm` of a run. Throws a {@link UsageError}. */
export function parseNormRequest(given: unknown): NormRequest {
  const request = parseOptions('norm', requestSchema, given, { example: "norm: { to: 'sync' }" });
  checkKinds(request.kinds);
  return request;
}

function parseConvertOptions(given: unknown): ConvertNormOptions {
  const options = parseOptions('convertNorm', convertSchema, given, {
    example: "convertNorm(model, { to: 'sync' })",
  });
  checkKinds(options.kinds);
  const { to, inputShape, replicas, replicaBatch } = options;
  for (const [name, fits] of [
    ['groupSize', to === 'sync' || to === 'auto'],
    ['numGroups', to === 'group' || to === 'auto'],
  ] as const) {
    const value = options[name];
    if (value === undefined || fits) continue;
    throw new UsageError({
      what: `convertNorm ${name}`,
      given: `${value} with to '${to}'`,
      allowed: `with to '${name === 'groupSize' ? 'sync' : 'group'}' or 'auto'`,
    });
  }
  if (to === 'auto') checkKnown({ inputShape, replicas, replicaBatch });
  if (to === 'layer' && inputShape === undefined) {
    throw new UsageError({
      what: "convertNorm to 'layer'",
      given: 'no inputShape',
      allowed: 'the shape of the model input',
      hint: "convertNorm(model, { to: 'layer', inputShape: data.inputShape })",
    });
  }
  return options;
}

function checkKinds(kinds: unknown): void {
  if (kinds === undefined || kinds === 'all') return;
  const isList = Array.isArray(kinds) && kinds.length > 0;
  const wrong = isList ? kinds.find((kind) => !NORM_KINDS.includes(kind)) : kinds;
  if (isList && wrong === undefined) return;
  const nearest = typeof wrong === 'string' ? nearestWord(wrong, NORM_KINDS) : undefined;
  throw new UsageError({
    what: 'convertNorm kinds',
    given: wrong,
    allowed: `'all' or a list of ${NORM_KINDS.join(', ')}`,
    ...(nearest !== undefined && { hint: nearest }),
  });
}

function convertLeaf(
  leaf: NormSpec,
  options: ConvertNormOptions,
  path: string,
  shape: Shape | undefined,
): LayerSpec {
  checkInteger(`channels of ${path}, to '${options.to}'`, normChannels(leaf), 1);
  const norm = normFor(leaf, options, path, shape);
  // The threshold of a TLU starts as that of a ReLU, and keeps the layer nonlinear.
  if (traitsOf(leaf).hasActivation?.(leaf) !== true) return norm;
  return options.to === 'none' ? relu() : sequential([norm, relu()]);
}

function normFor(
  leaf: NormSpec,
  options: ConvertNormOptions,
  path: string,
  shape: Shape | undefined,
): LayerSpec {
  const { eps, affine, weightInit } = leaf;
  const channels = normChannels(leaf);
  const isThere = KINDS_OF_TARGETS[options.to].some((kind) => kind === normKindOf(leaf));
  switch (options.to) {
    case 'sync':
      return batchNormFrom(leaf, options.groupSize ?? 'all');
    case 'local':
      return batchNormFrom(leaf, 'local');
    case 'group': {
      if (isThere && options.numGroups === undefined) return leaf;
      const numGroups = groupsFor(channels, options.numGroups, path, shape);
      if ('numGroups' in leaf) return { ...leaf, numGroups };
      return groupNorm(numGroups, channels, { eps, affine, weightInit });
    }
    case 'instance':
      return isThere ? leaf : instanceNorm(channels, { eps, affine, weightInit });
    case 'layer':
      if (isThere) return leaf;
      return layerNorm('normalizedShape' in leaf ? leaf.normalizedShape : (shape ?? [channels]), {
        ...{ eps, affine, weightInit },
      });
    case 'frozen':
      return frozenFrom(leaf, path);
    case 'none':
      return sequential([]);
    case 'auto': {
      const { replicas, replicaBatch, groupSize, numGroups } = options;
      const place = { shape: shape!, channels, replicas: replicas!, replicaBatch: replicaBatch! };
      const { to } = chooseNorm({ ...place, ...(groupSize !== undefined && { groupSize }) });
      const own = {
        to,
        ...(to === 'sync' && groupSize !== undefined && { groupSize }),
        ...(to === 'group' && numGroups !== undefined && { numGroups }),
      };
      return normFor(leaf, own, path, shape);
    }
  }
}

/** A batch normalization over these replicas, with the options that the leaf has. */
function batchNormFrom(leaf: NormSpec, sync: SyncScope): LayerSpec {
  const traits = traitsOf(leaf);
  if (traits.withSync !== undefined) return traits.withSync(leaf, sync);
  const { eps, affine, weightInit } = leaf;
  const momentum = 'momentum' in leaf ? { momentum: leaf.momentum } : {};
  return batchNorm(traits.channels(leaf), { eps, affine, weightInit, ...momentum, sync });
}

function frozenFrom(leaf: NormSpec, path: string): LayerSpec {
  if (!usesRunningStatistics(leaf)) {
    throw new UsageError({
      what: `convertNorm of ${path} to 'frozen'`,
      given: `${leaf.kind} without running statistics`,
      allowed: 'a normalization with running statistics to freeze',
      hint: "training with to 'sync' first",
    });
  }
  const traits = traitsOf(leaf);
  if (traits.frozen !== undefined) return traits.frozen(leaf);
  const { channels, eps, affine, momentum, weightInit } = leaf;
  const sync = 'sync' in leaf ? leaf.sync : 'local';
  return batchNorm(channels, { eps, affine, momentum, weightInit, sync, frozen: true });
}

function groupsFor(
  channels: number,
  numGroups: number | undefined,
  path: string,
  shape: Shape | undefined,
): number {
  if (numGroups === undefined) return defaultNumGroups(channels, shape);
  const given = { what: `numGroups of ${path} with ${channels} channels`, given: numGroups };
  if (channels % numGroups !== 0) {
    throw new UsageError({
      ...given,
      allowed: `a divisor of ${channels}`,
      hint: `numGroups ${largestDivisor(channels, numGroups)}, or none, so that layers may differ`,
    });
  }
  if (shape !== undefined && sizeOf(shape) === numGroups) {
    throw new UsageError({
      ...given,
      allowed: 'groups of at least 2 values: the layer has one position, and one value gives 0',
      hint: `numGroups ${defaultNumGroups(channels, shape)}, or none, so that layers may differ`,
    });
  }
  return numGroups;
}

/** The input shape of every leaf, in order. */
function leafShapes(model: LayerSpec, inputShape: Shape): readonly Shape[] {
  const graph = buildGraph(model, inputShape);
  return graph.operations.flatMap((operation) =>
    operation.op === 'layer' ? [graph.shapes[operation.input]!] : [],
  );
}
