// Replaces the normalizations of a model, as PyTorch's convert_sync_batchnorm does and more: the
// way to compare batch normalization, synchronized or not, with its neighbours on one model. Makes
// specs only; what becomes of weights and running statistics is in train/convertState.ts.

import { checkInteger, UsageError } from '../base/errors.ts';
import { type Shape, sizeOf } from '../base/shape.ts';
import { relu } from './activations.ts';
import { checkKnown, chooseNorm } from './autoNorm.ts';
import { convertRecurrent, hasRecurrentNorm } from './convertRecurrent.ts';
import { buildGraph } from './graph.ts';
import { defaultNumGroups, largestDivisor } from './groupRule.ts';
import {
  isNorm,
  leafPaths,
  type NormSpec,
  normChannels,
  usesRunningStatistics,
} from './normLeaf.ts';
import { type BatchNormSpec, batchNorm, groupNorm, instanceNorm, layerNorm } from './norms.ts';
import { type LayerSpec, mapLeaves, sequential } from './spec.ts';

export const NORM_TARGETS = [
  'sync',
  'local',
  'group',
  'layer',
  'instance',
  'frozen',
  'none',
  'auto',
] as const;
/** What to make of the normalizations. `frozen` keeps running statistics, weight and bias as they
 * are; `none` takes normalizations out; `auto` takes `sync` (`local` with one replica), or `group`
 * where a sync group has fewer than {@link AUTO_MIN_VALUES} values per channel. */
export type NormTarget = (typeof NORM_TARGETS)[number];

/** What is asked for, without what a run knows by itself. */
export interface NormRequest {
  readonly to: NormTarget;
  /** For `sync` and `auto`: replicas that share statistics; default all. */
  readonly groupSize?: number;
  /** For `group`, and `auto` where it takes that: has to divide the channels of every layer.
   * Default, layer by layer: groups of 16 channels, at most 32 groups, at least 4 of them where a
   * group still has 4 channels and, where `inputShape` tells, 16 values (groupRule.ts). */
  readonly numGroups?: number;
}

export interface ConvertNormOptions extends NormRequest {
  /** The shape of the model's input, without the sample axis. Needed for `layer`, which has weights
   * for every element, and for `auto`. */
  readonly inputShape?: Shape;
  /** For `auto`: the replicas of the run. */
  readonly replicas?: number;
  /** For `auto`: samples of a replica in a full step. */
  readonly replicaBatch?: number;
}

/** The same model with other normalizations. They keep eps, and affine; those that become batch
 * normalization keep momentum, trackRunningStats and, with `local`, virtualBatch where they had
 * them. The trained threshold of a filterResponseNorm becomes a ReLU. Recurrent layers
 * that normalize change their option `norm`, those that do not stay. Conversions lose what the new
 * normalization does not have: back from `group`, momentum is 0.1 again. Throws a
 * {@link UsageError} that names layer, value and choice where an option does not fit. */
export function convertNorm(model: LayerSpec, options: ConvertNormOptions): LayerSpec {
  checkOptions(options);
  const { to, inputShape } = options;
  const needsShapes = to === 'layer' || to === 'group' || to === 'auto';
  const shapes = needsShapes && inputShape !== undefined ? leafShapes(model, inputShape) : [];
  const paths = leafPaths(model);
  let index = 0;
  return mapLeaves(model, (leaf) => {
    const shape = shapes[index];
    const path = paths[index++]!;
    if (hasRecurrentNorm(leaf)) return convertRecurrent(leaf, options, path);
    return isNorm(leaf) ? convertLeaf(leaf, options, path, shape) : leaf;
  });
}

function checkOptions(options: ConvertNormOptions): void {
  const { to, inputShape, replicas, replicaBatch } = options;
  if (!NORM_TARGETS.includes(to)) {
    throw new UsageError({ what: 'convertNorm to', given: to, allowed: NORM_TARGETS.join(', ') });
  }
  for (const [name, fits] of [
    ['groupSize', to === 'sync' || to === 'auto'],
    ['numGroups', to === 'group' || to === 'auto'],
  ] as const) {
    const value = options[name];
    if (value === undefined) continue;
    checkInteger(`convertNorm ${name}`, value, 1);
    if (fits) continue;
    throw new UsageError({
      what: `convertNorm ${name}`,
      given: `${value} with to '${to}'`,
      allowed: `with to '${name === 'groupSize' ? 'sync' : 'group'}' or 'auto'`,
    });
  }
  for (const size of inputShape ?? []) checkInteger('convertNorm inputShape', size, 1);
  if (to === 'auto') checkKnown({ inputShape, replicas, replicaBatch });
  if (replicas !== undefined) checkInteger('convertNorm replicas', replicas, 1);
  if (replicaBatch !== undefined && !(replicaBatch > 0 && Number.isFinite(replicaBatch))) {
    throw new UsageError({
      what: 'convertNorm replicaBatch',
      given: replicaBatch,
      allowed: 'a number above 0',
    });
  }
  if (to === 'layer' && inputShape === undefined) {
    throw new UsageError({
      what: "convertNorm to 'layer'",
      given: 'no inputShape',
      allowed: 'the shape of the model input',
      hint: "convertNorm(model, { to: 'layer', inputShape: data.inputShape })",
    });
  }
}

function convertLeaf(
  leaf: NormSpec,
  options: ConvertNormOptions,
  path: string,
  shape: Shape | undefined,
): LayerSpec {
  checkInteger(`channels of ${path}, to '${options.to}'`, normChannels(leaf), 1);
  const norm = normFor(leaf, options, path, shape);
  // The threshold of a TLU starts as that of a ReLU, and is what made the layer nonlinear.
  const isActivated = leaf.kind === 'filterResponseNorm' && leaf.tlu;
  if (!isActivated) return norm;
  return options.to === 'none' ? relu() : sequential([norm, relu()]);
}

function normFor(
  leaf: NormSpec,
  options: ConvertNormOptions,
  path: string,
  shape: Shape | undefined,
): LayerSpec {
  const { eps, affine } = leaf;
  const channels = normChannels(leaf);
  switch (options.to) {
    case 'sync':
      return batchNormFrom(leaf, { sync: options.groupSize ?? 'sync' });
    case 'local':
      return batchNormFrom(leaf, { sync: 'local' });
    case 'group': {
      const numGroups = groupsFor(channels, options.numGroups, path, shape);
      return groupNorm(numGroups, channels, { eps, affine });
    }
    case 'instance':
      return instanceNorm(channels, { eps, affine });
    case 'layer':
      return layerNorm(shape ?? [channels], { eps, affine });
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

/** Ordinary or synchronized batch normalization with what the leaf has of its options. */
function batchNormFrom(leaf: NormSpec, { sync }: Pick<BatchNormSpec, 'sync'>): BatchNormSpec {
  const { eps, affine } = leaf;
  const channels = normChannels(leaf);
  if (leaf.kind === 'batchNorm') {
    const { momentum, trackRunningStats } = leaf;
    const virtualBatch = sync === 'local' ? leaf.virtualBatch : null;
    return batchNorm(channels, { eps, affine, momentum, trackRunningStats, sync, virtualBatch });
  }
  if (leaf.kind === 'batchRenorm' || (leaf.kind === 'instanceNorm' && leaf.trackRunningStats)) {
    return batchNorm(channels, { eps, affine, momentum: leaf.momentum, sync });
  }
  return batchNorm(channels, { eps, affine, sync });
}

function frozenFrom(leaf: NormSpec, path: string): BatchNormSpec {
  if (!usesRunningStatistics(leaf)) {
    throw new UsageError({
      what: `convertNorm of ${path} to 'frozen'`,
      given: `${leaf.kind} without running statistics`,
      allowed: 'a normalization with running statistics, which it would be frozen to',
      hint: "training with to 'sync' first",
    });
  }
  const { eps, affine, momentum } = leaf;
  const sync = leaf.kind === 'instanceNorm' ? 'local' : leaf.sync;
  return batchNorm(normChannels(leaf), { eps, affine, momentum, sync, frozen: true });
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
