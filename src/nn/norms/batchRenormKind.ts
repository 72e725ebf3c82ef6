// Batch renormalization as a layer. The math is in norm/batchRenorm.ts.

import { sizeOf } from '../../base/shape.ts';
import { coefficientsLength } from '../../norm/batchNorm.ts';
import { bindBatchRenorm } from '../../norm/batchRenorm.ts';
import type { LayerKind } from '../layers/layer.ts';
import type { BatchRenormSpec } from '../specs/batchRenorm.ts';
import {
  affineParameters,
  affineSetup,
  batchStatistics,
  batchValues,
  checkChannels,
  groupReplicasOf,
  replicasText,
  runningBuffers,
  runningPtrs,
  syncText,
} from './normShared.ts';

export const batchRenormKind: LayerKind<BatchRenormSpec> = {
  kind: 'batchRenorm',
  keeps: { input: true, output: false },
  derivesOutput: () => true,
  gradientInPlace: true,
  fusesRelu: () => 'again',
  fusesAdd: () => true,
  outputShape: (spec, input, path) => checkChannels(path, input, spec.channels),
  parameters: (spec) => (spec.affine ? affineParameters([spec.channels], spec.weightInit) : []),
  buffers: (spec) => runningBuffers(spec.channels),
  workspace({ channels, sync }, _input, size) {
    const groups = size.countGroups(groupReplicasOf(sync));
    return [
      { name: 'coefficients', type: 'f64', shape: [coefficientsLength(channels, groups)] },
      { name: 'corrections', type: 'f64', shape: [groups, 2, channels] },
    ];
  },
  reductions({ channels, sync }) {
    const groupReplicas = groupReplicasOf(sync);
    return [
      { name: 'moments', combine: 'moments', channels, groupReplicas },
      { name: 'sums', combine: 'sums', channels, groupReplicas },
    ];
  },
  statistics: (spec, input) => [batchStatistics(spec, input, false)],
  norm: {
    normKind: () => 'batchRenorm',
    describe: ({ sync }) => `batchRenorm (${syncText(sync)})`,
    scope: ({ sync }, replicas) => `batch, ${replicasText(sync, replicas)}`,
    channels: ({ channels }) => channels,
    values: ({ sync }, place) => batchValues(sync, place),
    usesRunningStatistics: () => true,
    whyNoPopulation: () => undefined,
    withSync: (spec, sync) => ({ ...spec, sync }),
  },
  bind(spec, binding) {
    const { step } = binding;
    const { warmupSteps } = spec;
    const bound = bindBatchRenorm({
      ...affineSetup(spec, binding),
      path: binding.path,
      memory: binding.memory,
      channels: spec.channels,
      rowsPerSample: sizeOf(binding.input.shape) / spec.channels,
      momentum: spec.momentum,
      running: runningPtrs(binding),
      coefficientsPtr: binding.workspacePtr('coefficients'),
      correctionsPtr: binding.workspacePtr('corrections'),
      moments: binding.reduction('moments'),
      sums: binding.reduction('sums'),
      rMax: spec.rMax,
      dMax: spec.dMax,
      ramp: () => (warmupSteps === 0 ? 1 : Math.min(1, step.step / warmupSteps)),
    });
    return {
      forward: bound.forward,
      backward: bound.backward,
      derive: bound.derive,
      updateBuffers: bound.updateRunningStatistics,
      exchanging: bound.exchanging,
    };
  },
};
