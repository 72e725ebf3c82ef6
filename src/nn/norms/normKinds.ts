// The kinds of the normalization layers in norms.ts: which shapes they take, which parameters,
// buffers, memory and exchanges they need, and how they are bound. The math is in `norm`.

import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../../base/shape.ts';
import { bindBatchNorm, coefficientsLength } from '../../norm/batchNorm.ts';
import { bindFrozenNorm } from '../../norm/frozenNorm.ts';
import { bindGhostNorm, ghostWorkspaceLength } from '../../norm/ghostNorm.ts';
import { bindTrackedInstanceNorm } from '../../norm/instanceNorm.ts';
import { bindRunningNorm, runningNormLength } from '../../norm/runningNorm.ts';
import { bindGroupNorm, bindLayerNorm, groupNormScratchLength } from '../../norm/sampleNorm.ts';
import type { ReductionDeclaration } from '../../reduce/reduction.ts';
import type { Binding, BoundLayer, LayerKind } from '../layers/layer.ts';
import { TORCH_VECTOR } from '../layers/torchForm.ts';
import type {
  BatchNormSpec,
  GroupNormSpec,
  InstanceNormSpec,
  LayerNormSpec,
} from '../specs/norms.ts';
import {
  affineParameters,
  affineSetup,
  batchStatistics,
  batchValues,
  checkChannels,
  checkLastAxes,
  groupReplicasOf,
  groupsText,
  lastAxesTraits,
  replicasText,
  runningBuffers,
  runningPtrs,
  syncText,
} from './normShared.ts';

export const batchNormKind: LayerKind<BatchNormSpec> = {
  kind: 'batchNorm',
  keeps: { input: true, output: false },
  derivesOutput: ({ frozen }) => !frozen,
  gradientInPlace: true,
  fusesRelu: ({ frozen }) => (frozen ? 'no' : 'again'),
  fusesAdd: ({ frozen }) => !frozen,
  outputShape(spec, input, path) {
    checkChannels(path, input, spec.channels);
    const { virtualBatch, channels } = spec;
    if (virtualBatch !== null && virtualBatch * (sizeOf(input) / channels) < 2) {
      throw new UsageError({
        what: `virtualBatch of ${path}`,
        given: virtualBatch,
        allowed: 'at least 2 samples of one value per channel, since one value has no variance',
        hint: 'a larger virtualBatch, or groupNorm',
      });
    }
    return input;
  },
  parameters: (spec) =>
    spec.affine && !spec.frozen ? affineParameters([spec.channels], spec.weightInit) : [],
  buffers(spec) {
    const { channels } = spec;
    const running = spec.trackRunningStats ? runningBuffers(channels) : [];
    if (!(spec.frozen && spec.affine)) return running;
    return [
      { name: 'weight', shape: [channels], initial: spec.weightInit, torch: TORCH_VECTOR },
      { name: 'bias', shape: [channels], initial: 0, torch: TORCH_VECTOR },
      ...running,
    ];
  },
  workspace({ channels, virtualBatch, frozen, statistics, sync }, _input, size) {
    if (frozen) {
      return [{ name: 'coefficients', type: 'f64', shape: [5, channels], lifetime: 'run' }];
    }
    if (statistics === 'running') {
      const shape = [runningNormLength(channels)];
      return [{ name: 'coefficients', type: 'f64', shape, lifetime: 'run' }];
    }
    const length =
      virtualBatch === null
        ? coefficientsLength(channels, size.countGroups(groupReplicasOf(sync)))
        : ghostWorkspaceLength(channels, virtualBatch, size);
    return [{ name: 'coefficients', type: 'f64', shape: [length] }];
  },
  // Virtual batches are within a replica.
  needsWholeReplicas: ({ virtualBatch, frozen }) => virtualBatch !== null && !frozen,
  reductions(spec): readonly ReductionDeclaration[] {
    if (!takesStatistics(spec)) return [];
    const { channels } = spec;
    const groupReplicas = groupReplicasOf(spec.sync);
    const moments = { name: 'moments', combine: 'moments', channels, groupReplicas } as const;
    if (spec.statistics === 'running') return [moments];
    // Virtual batches are within a replica, so no other worker needs their sums.
    if (spec.virtualBatch !== null) return [moments];
    return [moments, { name: 'sums', combine: 'sums', channels, groupReplicas }];
  },
  statistics: (spec, input) =>
    takesStatistics(spec) ? [batchStatistics(spec, input, !spec.trackRunningStats)] : [],
  norm: {
    normKind({ frozen, virtualBatch }) {
      if (frozen) return 'frozenBatchNorm';
      return virtualBatch === null ? 'batchNorm' : 'virtualBatchNorm';
    },
    describe(spec) {
      const { frozen, virtualBatch, sync } = spec;
      if (frozen) return 'batchNorm (frozen)';
      if (!takesStatistics(spec)) return 'batchNorm (running statistics)';
      if (spec.statistics === 'running') {
        return `batchNorm (running statistics, moved by ${syncText(sync)})`;
      }
      const virtual = virtualBatch === null ? '' : `, virtual batches of ${virtualBatch}`;
      return `batchNorm (${syncText(sync)}${virtual})`;
    },
    scope({ frozen, virtualBatch, sync, statistics }, replicas) {
      if (frozen) return 'running, frozen';
      if (statistics === 'running') return 'running';
      if (virtualBatch !== null) return `${virtualBatch} samples of each replica`;
      return `batch, ${replicasText(sync, replicas)}`;
    },
    channels: ({ channels }) => channels,
    values(spec, place) {
      const { virtualBatch, sync } = spec;
      if (!takesStatistics(spec)) return 0;
      if (virtualBatch === null) return batchValues(sync, place);
      return Math.min(virtualBatch, place.replicaBatch) * place.positions;
    },
    usesRunningStatistics: ({ trackRunningStats }) => trackRunningStats,
    whyNoPopulation({ frozen, trackRunningStats }) {
      if (frozen) return 'it is frozen';
      return trackRunningStats ? undefined : 'it keeps no statistics';
    },
    sharingSamples(spec, { replicas, globalBatch }) {
      const { virtualBatch, sync } = spec;
      if (spec.frozen || !spec.trackRunningStats || spec.statistics === 'running') return undefined;
      const perReplica = globalBatch / replicas;
      if (virtualBatch !== null) return Math.min(virtualBatch, perReplica);
      const shared = Math.min(groupReplicasOf(sync), replicas);
      return shared === replicas ? globalBatch : shared * perReplica;
    },
    withSync: (spec, sync) => ({
      ...spec,
      sync,
      virtualBatch: sync === 'local' ? spec.virtualBatch : null,
      frozen: false,
    }),
    frozen: (spec) => ({ ...spec, virtualBatch: null, frozen: true }),
  },
  diagnosed: (spec) =>
    takesStatistics(spec)
      ? { reduction: 'moments', channels: spec.channels, eps: spec.eps }
      : undefined,
  bind(spec, binding) {
    if (spec.frozen) return bindFrozen(spec, binding);
    if (spec.statistics === 'running') return bindRunning(spec, binding);
    const setup = {
      ...affineSetup(spec, binding),
      path: binding.path,
      memory: binding.memory,
      channels: spec.channels,
      rowsPerSample: sizeOf(binding.input.shape) / spec.channels,
      momentum: spec.momentum,
      running: spec.trackRunningStats ? runningPtrs(binding) : undefined,
      moments: binding.reduction('moments'),
      evalWeight: binding.evalWeight ?? 0,
    };
    const workspacePtr = binding.workspacePtr('coefficients');
    const { virtualBatch } = spec;
    const bound =
      virtualBatch === null
        ? bindBatchNorm({
            ...setup,
            coefficientsPtr: workspacePtr,
            sums: binding.reduction('sums'),
          })
        : bindGhostNorm({ ...setup, virtualBatch, capacity: binding.capacity, workspacePtr });
    return {
      forward: bound.forward,
      backward: bound.backward,
      derive: bound.derive,
      ...(spec.updateStatistics && { updateBuffers: bound.updateRunningStatistics }),
      exchanging: bound.exchanging,
    };
  },
};

/** Whether training computes statistics of the batch, to normalize or to update running ones. */
function takesStatistics({ frozen, statistics, updateStatistics }: BatchNormSpec): boolean {
  return !frozen && (statistics === 'batch' || updateStatistics);
}

function bindRunning(spec: BatchNormSpec, binding: Binding): BoundLayer {
  const bound = bindRunningNorm({
    ...affineSetup(spec, binding),
    memory: binding.memory,
    channels: spec.channels,
    rowsPerSample: sizeOf(binding.input.shape) / spec.channels,
    momentum: spec.momentum,
    running: runningPtrs(binding),
    workspacePtr: binding.workspacePtr('coefficients'),
    moments: spec.updateStatistics ? binding.reduction('moments') : undefined,
  });
  return {
    forward: bound.forward,
    backward: bound.backward,
    derive: bound.derive,
    ...(spec.updateStatistics && { updateBuffers: bound.updateRunningStatistics }),
    exchanging: bound.exchanging,
  };
}

function bindFrozen(spec: BatchNormSpec, binding: Binding): BoundLayer {
  return bindFrozenNorm({
    kernels: binding.kernels,
    step: binding.step,
    countGrains: binding.countGrains,
    channels: spec.channels,
    rowsPerSample: sizeOf(binding.input.shape) / spec.channels,
    eps: spec.eps,
    xPtr: binding.input.ptr,
    yPtr: binding.output.ptr,
    dyPtr: binding.output.gradPtr,
    dxPtr: binding.input.gradPtr,
    meanPtr: binding.bufferPtr('runningMean'),
    varPtr: binding.bufferPtr('runningVar'),
    weightPtr: spec.affine ? binding.bufferPtr('weight') : 0,
    biasPtr: spec.affine ? binding.bufferPtr('bias') : 0,
    coefficientsPtr: binding.workspacePtr('coefficients'),
  });
}

/** The setup of a group normalization; an instance normalization has a group for each channel. */
function groupedSetup(spec: GroupNormSpec | InstanceNormSpec, binding: Binding) {
  return {
    ...affineSetup(spec, binding),
    channels: spec.channels,
    rowsPerSample: sizeOf(binding.input.shape) / spec.channels,
    coefficientsPtr: binding.workspacePtr('coefficients'),
    scratchPtr: binding.workspacePtr('scratch'),
  };
}

const groupedWorkspace: LayerKind<GroupNormSpec | InstanceNormSpec>['workspace'] = (
  { channels },
  _input,
  { capacity },
) => [
  { name: 'coefficients', type: 'f64', shape: [capacity, 4 * channels] },
  {
    name: 'scratch',
    type: 'f64',
    shape: [groupNormScratchLength(channels, capacity)],
    lifetime: 'run',
  },
];

export const groupNormKind: LayerKind<GroupNormSpec> = {
  kind: 'groupNorm',
  torchOrder: { dependsOnOrder: true },
  keeps: { input: true, output: false },
  derivesOutput: () => true,
  gradientInPlace: true,
  fusesRelu: () => 'again',
  fusesAdd: () => true,
  outputShape: (spec, input, path) => checkChannels(path, input, spec.channels),
  parameters: (spec) => (spec.affine ? affineParameters([spec.channels], spec.weightInit) : []),
  workspace: groupedWorkspace,
  statistics: ({ channels, numGroups }, input) => [
    {
      per: `group of ${channels / numGroups} channels`,
      values: sizeOf(input) / numGroups,
      cure: channels > 1 ? 'fewer groups' : 'no norm here, since there is only one value',
    },
  ],
  norm: {
    normKind: () => 'groupNorm',
    describe: ({ numGroups, channels }) => `groupNorm (${groupsText(numGroups, channels)})`,
    scope: ({ numGroups, channels }) => `sample, ${groupsText(numGroups, channels)}`,
    channels: ({ channels }) => channels,
    values: ({ numGroups, channels }, { positions }) => positions * (channels / numGroups),
  },
  bind: (spec, binding) =>
    bindGroupNorm({ ...groupedSetup(spec, binding), numGroups: spec.numGroups }),
};

export const instanceNormKind: LayerKind<InstanceNormSpec> = {
  kind: 'instanceNorm',
  keeps: { input: true, output: false },
  derivesOutput: () => true,
  gradientInPlace: true,
  fusesRelu: () => 'again',
  fusesAdd: () => true,
  outputShape(spec, input, path) {
    checkChannels(path, input, spec.channels);
    if (!spec.trackRunningStats || sizeOf(input) / spec.channels !== 1) return input;
    throw new UsageError({
      what: `values per channel and sample in ${path}, which tracks running statistics`,
      given: 1,
      allowed: 'at least 2, since one value has no unbiased variance',
      hint: 'trackRunningStats false, or groupNorm',
    });
  },
  parameters: (spec) => (spec.affine ? affineParameters([spec.channels], spec.weightInit) : []),
  buffers: (spec) => (spec.trackRunningStats ? runningBuffers(spec.channels) : []),
  workspace: groupedWorkspace,
  reductions: ({ channels, trackRunningStats }) =>
    trackRunningStats
      ? [{ name: 'observed', combine: 'moments', channels, groupReplicas: 'none' }]
      : [],
  statistics: ({ channels }, input) => [
    {
      per: 'channel',
      values: sizeOf(input) / channels,
      cure: 'groupNorm or layerNorm (--norm group or layer), or instanceNorm on images alone',
    },
  ],
  norm: {
    normKind: () => 'instanceNorm',
    describe: () => 'instanceNorm',
    scope: () => 'sample, each channel',
    channels: ({ channels }) => channels,
    values: (_spec, { positions }) => positions,
    usesRunningStatistics: ({ trackRunningStats }) => trackRunningStats,
    tracksSamples: true,
  },
  bind(spec, binding) {
    const setup = groupedSetup(spec, binding);
    if (!spec.trackRunningStats) return bindGroupNorm({ ...setup, numGroups: spec.channels });
    const bound = bindTrackedInstanceNorm({
      ...setup,
      memory: binding.memory,
      momentum: spec.momentum,
      running: runningPtrs(binding),
      observed: binding.reduction('observed'),
    });
    return {
      forward: bound.forward,
      backward: bound.backward,
      derive: bound.derive,
      updateBuffers: bound.updateRunningStatistics,
    };
  },
};

export const layerNormKind: LayerKind<LayerNormSpec> = {
  kind: 'layerNorm',
  keeps: { input: true, output: false },
  fusesRelu: () => 'kept',
  outputShape: (spec, input, path) => checkLastAxes(path, input, spec.normalizedShape),
  parameters: (spec) =>
    spec.affine ? affineParameters(spec.normalizedShape, spec.weightInit) : [],
  workspace: (spec, input, { capacity }) => [
    { name: 'statistics', type: 'f64', shape: [capacity, layerNormRows(spec, input), 2] },
    { name: 'openGrad', type: 'f32', shape: [sizeOf(spec.normalizedShape)], lifetime: 'run' },
  ],
  statistics: ({ normalizedShape }) => [
    {
      per: `sample over ${showShape(normalizedShape)}`,
      values: sizeOf(normalizedShape),
      cure: 'a normalizedShape of more than one value, or batchNorm',
    },
  ],
  norm: lastAxesTraits('layerNorm'),
  bind: (spec, binding) =>
    bindLayerNorm({
      ...affineSetup(spec, binding),
      length: sizeOf(spec.normalizedShape),
      rowsPerSample: layerNormRows(spec, binding.input.shape),
      statisticsPtr: binding.workspacePtr('statistics'),
      openGradPtr: binding.workspacePtr('openGrad'),
    }),
};

function layerNormRows(spec: LayerNormSpec, input: Shape): number {
  return sizeOf(input) / sizeOf(spec.normalizedShape);
}
