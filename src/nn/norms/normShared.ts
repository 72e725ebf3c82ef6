// Shared by the normalization layers: input checks, declarations and binding.

import { UsageError } from '../../base/errors.ts';
import {
  channelsOf,
  type Shape,
  shapesDiffer,
  showShape,
  sizeOf,
  sizesDiffer,
} from '../../base/shape.ts';
import type { NormSetup, RunningPtrs } from '../../norm/setup.ts';
import type {
  Binding,
  BufferDeclaration,
  ParameterDeclaration,
  StatisticsDeclaration,
} from '../layers/layer.ts';
import type { PureNormTraits, StatisticsPlace } from '../layers/normTraits.ts';
import { torchLastAxes } from '../layers/torchForm.ts';
import type { SyncScope } from '../specs/normOptions.ts';

/** The number of replicas that share statistics; Infinity means all. */
export function groupReplicasOf(sync: SyncScope): number {
  if (sync === 'local') return 1;
  return sync === 'all' ? Number.POSITIVE_INFINITY : sync;
}

/** The statistics of a batch normalization: of each channel, over the samples of a sync group. */
export function batchStatistics(
  { channels, sync }: { readonly channels: number; readonly sync: SyncScope },
  input: Shape,
  inEvaluation: boolean,
): StatisticsDeclaration {
  return {
    per: 'channel',
    values: sizeOf(input) / channels,
    groupReplicas: groupReplicasOf(sync),
    inEvaluation,
    cure: 'groupNorm or layerNorm, which need no other samples',
  };
}

/** With an eps of at least this, a mean square over one value preserves more than the sign: x /
 * sqrt(x^2 + eps) is close to linear for |x| below sqrt(eps), 0.03. */
const ONE_VALUE_EPS = 1e-3;

/** The statistics of a normalization by the mean square of each sample's values; none if eps is
 * large enough for one value. */
export function meanSquareStatistics(
  per: string,
  values: number,
  eps: number,
): readonly StatisticsDeclaration[] {
  if (eps >= ONE_VALUE_EPS) return [];
  return [{ per, values, cure: `an eps of at least ${ONE_VALUE_EPS}, or a norm over more values` }];
}

/** Checks an input of any rank with the channels as its last axis, and returns its shape. */
export function checkChannels(path: string, input: Shape, channels: number): Shape {
  if (input.length > 0 && !sizesDiffer(channelsOf(input), channels)) return input;
  throw new UsageError({
    what: `input of ${path}`,
    given: showShape(input),
    allowed: `a shape with ${channels} channels last`,
    hint: `channels ${channelsOf(input)}`,
  });
}

/** Checks an input that ends in the normalized shape, and returns its shape. */
export function checkLastAxes(path: string, input: Shape, normalizedShape: Shape): Shape {
  const last = input.slice(Math.max(0, input.length - normalizedShape.length));
  if (!shapesDiffer(last, normalizedShape)) return input;
  throw new UsageError({
    what: `input of ${path}`,
    given: showShape(input),
    allowed: `a shape that ends in ${showShape(normalizedShape)}`,
    hint: 'normalizedShape equal to the last axes of a sample',
  });
}

/** Declares a weight that starts at one value. */
export function normWeight(shape: Shape, value: number): ParameterDeclaration {
  const init = { kind: 'constant', value } as const;
  return { name: 'weight', shape, role: 'norm', init, torch: torchLastAxes(shape.length) };
}

/** Declares a parameter that starts at 0. */
export function normZeros(name: string, shape: Shape): ParameterDeclaration {
  const init = { kind: 'constant', value: 0 } as const;
  return { name, shape, role: 'norm', init, torch: torchLastAxes(shape.length) };
}

/** Declares a weight that starts at one value and a bias that starts at 0. */
export function affineParameters(shape: Shape, weight: number): readonly ParameterDeclaration[] {
  return [normWeight(shape, weight), normZeros('bias', shape)];
}

const TORCH_BATCHES = { name: 'num_batches_tracked', isCount: true } as const;

/** Declares running statistics, with PyTorch's names. */
export function runningBuffers(channels: number): readonly BufferDeclaration[] {
  const shape = [channels];
  return [
    { name: 'runningMean', shape, initial: 0, torch: { name: 'running_mean', features: 0 } },
    { name: 'runningVar', shape, initial: 1, torch: { name: 'running_var', features: 0 } },
    { name: 'numBatchesTracked', shape: [1], initial: 0, torch: TORCH_BATCHES },
  ];
}

export function runningPtrs(binding: Binding): RunningPtrs {
  return {
    meanPtr: binding.bufferPtr('runningMean'),
    varPtr: binding.bufferPtr('runningVar'),
    countPtr: binding.bufferPtr('numBatchesTracked'),
  };
}

/** The part of a setup that all norms have. */
export function normSetup(
  spec: { readonly eps: number },
  binding: Binding,
  trained: { readonly weight: boolean; readonly bias: boolean },
): NormSetup {
  return {
    kernels: binding.kernels,
    step: binding.step,
    countGrains: binding.countGrains,
    eps: spec.eps,
    xPtr: binding.input.ptr,
    yPtr: binding.output.ptr,
    dyPtr: binding.output.gradPtr,
    dxPtr: binding.input.gradPtr,
    weightPtr: trained.weight ? binding.parameterPtr('weight') : 0,
    biasPtr: trained.bias ? binding.parameterPtr('bias') : 0,
    weightGrad: trained.weight ? binding.gradient('weight') : undefined,
    biasGrad: trained.bias ? binding.gradient('bias') : undefined,
    isRelu: binding.isRelu ?? false,
    addend: binding.addend,
  };
}

/** {@link normSetup} with weight and bias, or with neither. */
export function affineSetup(
  spec: { readonly eps: number; readonly affine: boolean },
  binding: Binding,
): NormSetup {
  return normSetup(spec, binding, { weight: spec.affine, bias: spec.affine });
}

/** Which replicas share batch statistics, in words: `each replica`, `all 8 replicas`. */
export function replicasText(sync: SyncScope, replicas: number): string {
  if (sync === 'local') return 'each replica';
  return sync === 'all' ? `all ${replicas} replicas` : `${sync} replicas`;
}

/** The scope of a batch normalization, as in its name. */
export function syncText(sync: SyncScope): string {
  if (typeof sync !== 'number') return sync === 'all' ? 'sync' : sync;
  return `sync over ${sync} ${sync === 1 ? 'replica' : 'replicas'}`;
}

/** Values per channel of a batch normalization's statistics in a full step. */
export function batchValues(sync: SyncScope, place: StatisticsPlace): number {
  if (sync !== 'local') return place.groupValues;
  return Math.floor(place.replicaBatch) * place.positions;
}

/** The groups of a layer, in words: `4 groups of 16 channels`. */
export function groupsText(numGroups: number, channels: number): string {
  const width = channels / numGroups;
  const counted = (count: number, what: string): string =>
    `${count} ${what}${count === 1 ? '' : 's'}`;
  return `${counted(numGroups, 'group')} of ${counted(width, 'channel')}`;
}

/** The traits of a normalization over the last axes of a sample. */
export function lastAxesTraits<Spec extends { readonly normalizedShape: Shape }>(
  kind: 'layerNorm' | 'rmsNorm',
): PureNormTraits<Spec> {
  return {
    normKind: () => kind,
    describe: () => kind,
    scope: () => 'sample',
    channels: ({ normalizedShape }) => channelsOf(normalizedShape),
    values: ({ normalizedShape }) => sizeOf(normalizedShape),
  };
}
