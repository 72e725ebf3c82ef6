// The normalization layers: their specs, builders and kinds. The maths is in `norm`; this file
// declares what they need and hands the addresses over.

import { UsageError } from '../base/errors.ts';
import {
  channelsOf,
  type Shape,
  shapesDiffer,
  showShape,
  sizeOf,
  sizesDiffer,
} from '../base/shape.ts';
import { bindBatchNorm, coefficientsLength } from '../norm/batchNorm.ts';
import type { ReductionDeclaration } from '../norm/reducer.ts';
import { bindGroupNorm, bindLayerNorm, groupNormScratchLength } from '../norm/sampleNorm.ts';
import type { NormSetup } from '../norm/setup.ts';
import type { Binding, LayerKind, ParameterDeclaration } from './layer.ts';
import { checkCount } from './options.ts';

/** Which replicas share batch statistics: each alone, all of them, or groups of so many
 * neighbours. */
export type SyncScope = 'local' | 'sync' | number;

export interface BatchNormSpec {
  readonly kind: 'batchNorm';
  readonly channels: number;
  readonly eps: number;
  readonly momentum: number | null;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;
  readonly sync: SyncScope;
}

export interface BatchNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number;
  /** Weight of the newest batch in the running statistics, `null` for a plain average over all
   * batches; default 0.1. */
  readonly momentum?: number | null;
  /** Whether weight and bias are trained; default true. */
  readonly affine?: boolean;
  /** Whether running statistics are kept for evaluation; default true. Without them each shard is
   * normalized by its own statistics in evaluation, too. */
  readonly trackRunningStats?: boolean;
  /** Default `local`, ordinary per-replica batch normalization; see `convertNorm`. */
  readonly sync?: SyncScope;
}

/** Batch normalization over all axes but the last (PyTorch's BatchNorm1d and 2d; SyncBatchNorm with
 * `sync`). y = (x - mean) / sqrt(var + eps) * weight + bias with the biased variance of the sync
 * group; the running variance is unbiased. */
export function batchNorm(channels: number, options: BatchNormOptions = {}): BatchNormSpec {
  const momentum = options.momentum === undefined ? 0.1 : options.momentum;
  if (momentum !== null && !(momentum >= 0 && momentum <= 1)) {
    throw new UsageError({
      what: 'batchNorm momentum',
      given: momentum,
      allowed: 'a number from 0 to 1, or null for a cumulative average',
    });
  }
  const sync = options.sync ?? 'local';
  if (typeof sync === 'number') checkCount('batchNorm sync (replicas)', sync);
  else if (sync !== 'local' && sync !== 'sync') {
    throw new UsageError({
      what: 'batchNorm sync',
      given: sync,
      allowed: "'local', 'sync' or a number of replicas",
    });
  }
  return {
    kind: 'batchNorm',
    channels: checkCount('batchNorm channels', channels),
    eps: checkEps('batchNorm', options.eps),
    momentum,
    affine: options.affine ?? true,
    trackRunningStats: options.trackRunningStats ?? true,
    sync,
  };
}

export interface GroupNormSpec {
  readonly kind: 'groupNorm';
  readonly numGroups: number;
  readonly channels: number;
  readonly eps: number;
  readonly affine: boolean;
}

export interface SampleNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number;
  /** Whether weight and bias are trained; default true, for instanceNorm false, as in PyTorch. */
  readonly affine?: boolean;
}

/** Group normalization: each sample and group of adjacent channels by its own mean and variance. */
export function groupNorm(
  numGroups: number,
  channels: number,
  options: SampleNormOptions = {},
): GroupNormSpec {
  checkCount('groupNorm channels', channels);
  if (!Number.isInteger(numGroups) || numGroups < 1 || channels % numGroups !== 0) {
    throw new UsageError({
      what: `groupNorm numGroups for ${channels} channels`,
      given: numGroups,
      allowed: `a divisor of ${channels}`,
    });
  }
  const eps = checkEps('groupNorm', options.eps);
  return { kind: 'groupNorm', numGroups, channels, eps, affine: options.affine ?? true };
}

export interface InstanceNormSpec {
  readonly kind: 'instanceNorm';
  readonly channels: number;
  readonly eps: number;
  readonly affine: boolean;
}

/** Instance normalization: each sample and channel by its own mean and variance. */
export function instanceNorm(channels: number, options: SampleNormOptions = {}): InstanceNormSpec {
  checkCount('instanceNorm channels', channels);
  const eps = checkEps('instanceNorm', options.eps);
  return { kind: 'instanceNorm', channels, eps, affine: options.affine ?? false };
}

export interface LayerNormSpec {
  readonly kind: 'layerNorm';
  /** The last axes of a sample, or all. */
  readonly normalizedShape: Shape;
  readonly eps: number;
  readonly affine: boolean;
}

/** Layer normalization over the last axes of a sample (PyTorch's LayerNorm; here the channels are
 * the last axis), weight and bias by element. */
export function layerNorm(
  normalizedShape: number | Shape,
  options: SampleNormOptions = {},
): LayerNormSpec {
  const shape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
  for (const size of shape) checkCount('layerNorm normalizedShape', size);
  const eps = checkEps('layerNorm', options.eps);
  return { kind: 'layerNorm', normalizedShape: shape, eps, affine: options.affine ?? true };
}

function checkEps(layer: string, eps = 1e-5): number {
  if (Number.isFinite(eps) && eps > 0) return eps;
  throw new UsageError({ what: `${layer} eps`, given: eps, allowed: 'a number above 0' });
}

function checkChannels(path: string, input: Shape, channels: number): Shape {
  if (input.length > 0 && !sizesDiffer(channelsOf(input), channels)) return input;
  throw new UsageError({
    what: `input of ${path}`,
    given: showShape(input),
    allowed: `a shape with ${channels} channels last`,
    hint: `channels ${channelsOf(input)}`,
  });
}

function affineParameters(shape: Shape): readonly ParameterDeclaration[] {
  return [
    { name: 'weight', shape, role: 'norm', init: { kind: 'constant', value: 1 } },
    { name: 'bias', shape, role: 'norm', init: { kind: 'constant', value: 0 } },
  ];
}

/** How many replicas share statistics; Infinity is all of them. */
function groupReplicasOf(sync: SyncScope): number {
  if (sync === 'local') return 1;
  return sync === 'sync' ? Number.POSITIVE_INFINITY : sync;
}

export const batchNormKind: LayerKind<BatchNormSpec> = {
  kind: 'batchNorm',
  keeps: { input: true, output: false },
  outputShape: (spec, input, path) => checkChannels(path, input, spec.channels),
  parameters: (spec) => (spec.affine ? affineParameters([spec.channels]) : []),
  buffers: (spec) =>
    spec.trackRunningStats
      ? [
          { name: 'runningMean', shape: [spec.channels], initial: 0 },
          { name: 'runningVar', shape: [spec.channels], initial: 1 },
          { name: 'numBatchesTracked', shape: [1], initial: 0 },
        ]
      : [],
  workspace: (spec, _input, { countLocalReplicas }) => [
    {
      name: 'coefficients',
      type: 'f64',
      shape: [coefficientsLength(spec.channels, countLocalReplicas)],
    },
  ],
  reductions(spec): readonly ReductionDeclaration[] {
    const { channels } = spec;
    const groupReplicas = groupReplicasOf(spec.sync);
    return [
      { name: 'moments', combine: 'moments', channels, groupReplicas },
      { name: 'sums', combine: 'sums', channels, groupReplicas },
    ];
  },
  bind(spec, binding) {
    const bound = bindBatchNorm({
      ...normSetup(spec, binding),
      path: binding.path,
      memory: binding.memory,
      channels: spec.channels,
      rowsPerSample: sizeOf(binding.input.shape) / spec.channels,
      momentum: spec.momentum,
      running: spec.trackRunningStats
        ? {
            meanPtr: binding.bufferPtr('runningMean'),
            varPtr: binding.bufferPtr('runningVar'),
            countPtr: binding.bufferPtr('numBatchesTracked'),
          }
        : undefined,
      coefficientsPtr: binding.workspacePtr('coefficients'),
      moments: binding.reduction('moments'),
      sums: binding.reduction('sums'),
    });
    return {
      forward: bound.forward,
      backward: bound.backward,
      updateBuffers: bound.updateRunningStatistics,
    };
  },
};

/** What all norms are bound to. */
function normSetup(
  spec: { readonly eps: number; readonly affine: boolean },
  binding: Binding,
): NormSetup {
  return {
    kernels: binding.kernels,
    shards: binding.step,
    countLocalReplicas: binding.countLocalReplicas,
    eps: spec.eps,
    xPtr: binding.input.ptr,
    yPtr: binding.output.ptr,
    dyPtr: binding.output.gradPtr,
    dxPtr: binding.input.gradPtr,
    weightPtr: spec.affine ? binding.parameterPtr('weight') : 0,
    biasPtr: spec.affine ? binding.parameterPtr('bias') : 0,
    weightGrad: spec.affine ? binding.gradient('weight') : undefined,
    biasGrad: spec.affine ? binding.gradient('bias') : undefined,
  };
}

/** Group and instance normalization differ in the number of groups alone. */
function groupedKind<Spec extends GroupNormSpec | InstanceNormSpec>(
  kind: Spec['kind'],
  groupsOf: (spec: Spec) => number,
): LayerKind<Spec> {
  return {
    kind,
    keeps: { input: true, output: false },
    outputShape: (spec, input, path) => checkChannels(path, input, spec.channels),
    parameters: (spec) => (spec.affine ? affineParameters([spec.channels]) : []),
    buffers: () => [],
    workspace: (spec, _input, { capacity }) => [
      { name: 'coefficients', type: 'f64', shape: [capacity, 4 * spec.channels] },
      { name: 'scratch', type: 'f64', shape: [groupNormScratchLength(spec.channels)] },
    ],
    bind: (spec, binding) =>
      bindGroupNorm({
        ...normSetup(spec, binding),
        channels: spec.channels,
        numGroups: groupsOf(spec),
        rowsPerSample: sizeOf(binding.input.shape) / spec.channels,
        coefficientsPtr: binding.workspacePtr('coefficients'),
        scratchPtr: binding.workspacePtr('scratch'),
      }),
  };
}

export const groupNormKind = groupedKind<GroupNormSpec>('groupNorm', (spec) => spec.numGroups);
export const instanceNormKind = groupedKind<InstanceNormSpec>(
  'instanceNorm',
  (spec) => spec.channels,
);

export const layerNormKind: LayerKind<LayerNormSpec> = {
  kind: 'layerNorm',
  keeps: { input: true, output: false },
  outputShape(spec, input, path) {
    const { normalizedShape } = spec;
    const last = input.slice(Math.max(0, input.length - normalizedShape.length));
    if (!shapesDiffer(last, normalizedShape)) return input;
    throw new UsageError({
      what: `input of ${path}`,
      given: showShape(input),
      allowed: `a shape that ends in ${showShape(normalizedShape)}`,
      hint: 'normalizedShape equal to the last axes of a sample',
    });
  },
  parameters: (spec) => (spec.affine ? affineParameters(spec.normalizedShape) : []),
  buffers: () => [],
  workspace: (spec, input, { capacity }) => [
    { name: 'statistics', type: 'f64', shape: [capacity, layerNormRows(spec, input), 2] },
  ],
  bind: (spec, binding) =>
    bindLayerNorm({
      ...normSetup(spec, binding),
      length: sizeOf(spec.normalizedShape),
      rowsPerSample: layerNormRows(spec, binding.input.shape),
      statisticsPtr: binding.workspacePtr('statistics'),
    }),
};

function layerNormRows(spec: LayerNormSpec, input: Shape): number {
  return sizeOf(input) / sizeOf(spec.normalizedShape);
}
