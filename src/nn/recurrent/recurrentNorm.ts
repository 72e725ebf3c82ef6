// The normalization of a recurrent layer's pre-activations, and of the cell of an lstm: one for
// each time step and part; those of a part share their gain and bias. Each is an ordinary layer or
// batch normalization (`norm`) of [samples, columns] with its own reduction, so that no vector is
// written while another worker still reads it. Ba, Kiros, Hinton 2016; Cooijmans et al. 2017.

import { DOUBLE_BYTES } from '../../base/bytes.ts';
import { bindBatchNorm, coefficientsLength } from '../../norm/batchNorm.ts';
import { bindLayerNorm } from '../../norm/sampleNorm.ts';
import type { GradientSink } from '../../reduce/gradientSink.ts';
import type { PassPiece } from '../../reduce/passPieces.ts';
import type { ReductionDeclaration } from '../../reduce/reduction.ts';
import type {
  Binding,
  BufferDeclaration,
  ParameterDeclaration,
  StatisticsDeclaration,
  WorkspaceDeclaration,
  WorkspaceSize,
} from '../layers/layer.ts';
import { batchStatistics, groupReplicasOf } from '../norms/normShared.ts';
import type { RecurrentSpec } from '../specs/recurrent.ts';
import { biasName, type NormedPart, normedColumns, normedParts } from './recurrentFrame.ts';

/** Cooijmans et al. 2017, section 4: with unit variance tanh saturates and gradients vanish. */
const BATCH_GAIN = 0.1;

/** The gains of all parts, and the bias of the cell; the other biases belong to the layer. */
export function normParameters(spec: RecurrentSpec): readonly ParameterDeclaration[] {
  const gain = spec.norm === 'batch' ? BATCH_GAIN : 1;
  const declare = (name: string, part: NormedPart, value: number): ParameterDeclaration => ({
    name,
    shape: [normedColumns(spec, part)],
    role: 'norm',
    init: { kind: 'constant', value },
  });
  return normedParts(spec).flatMap((part) => [
    declare(`normWeight${part}`, part, gain),
    ...(part === 'Cell' && spec.bias ? [declare(biasName(part), part, 0)] : []),
  ]);
}

/** The running statistics of every time step. */
export function normBuffers(spec: RecurrentSpec, steps: number): readonly BufferDeclaration[] {
  if (spec.norm !== 'batch') return [];
  return normedParts(spec).flatMap((part) => {
    const shape = [steps, normedColumns(spec, part)];
    return [
      { name: `runningMean${part}`, shape, initial: 0 },
      { name: `runningVar${part}`, shape, initial: 1 },
      { name: `numBatchesTracked${part}`, shape: [steps], initial: 0 },
    ];
  });
}

export function normReductions(
  spec: RecurrentSpec,
  steps: number,
): readonly ReductionDeclaration[] {
  if (spec.norm !== 'batch') return [];
  const groupReplicas = groupReplicasOf(spec.sync);
  return normedParts(spec).flatMap((part) => {
    const shared = { channels: normedColumns(spec, part), groupReplicas };
    return Array.from({ length: steps }, (_, t) => [
      { name: `moments${part}.${t}`, combine: 'moments' as const, ...shared },
      { name: `sums${part}.${t}`, combine: 'sums' as const, isInner: true, ...shared },
    ]).flat();
  });
}

/** The statistics of each time step. */
export function normStatistics(spec: RecurrentSpec): readonly StatisticsDeclaration[] {
  if (spec.norm === 'none') return [];
  // The part with the fewest columns decides.
  const columns = Math.min(...normedParts(spec).map((part) => normedColumns(spec, part)));
  const cure = "a larger hiddenSize, or norm: 'none'";
  if (spec.norm === 'layer') return [{ per: 'time step of a sample', values: columns, cure }];
  const { sync } = spec;
  const batch = batchStatistics({ channels: columns, sync }, [columns], false);
  return [{ ...batch, cure: "norm: 'layer', which needs no other samples" }];
}

export function normWorkspace(
  spec: RecurrentSpec,
  steps: number,
  size: WorkspaceSize,
): readonly WorkspaceDeclaration[] {
  return normedParts(spec).map((part) => ({
    name: `statistics${part}`,
    type: 'f64',
    shape: [steps, statisticsLength(spec, part, size)],
  }));
}

/** The number of float64 values that one time step of one part keeps from forward to backward. */
function statisticsLength(spec: RecurrentSpec, part: NormedPart, size: WorkspaceSize): number {
  if (spec.norm === 'layer') return 2 * size.capacity;
  return coefficientsLength(
    normedColumns(spec, part),
    size.countGroups(groupReplicasOf(spec.sync)),
  );
}

/** The addresses of the [samples, columns] tensors of one time step. */
export interface StepTensors {
  readonly xPtr: number;
  readonly yPtr: number;
  readonly dyPtr: number;
  readonly dxPtr: number;
}

export interface BoundStepNorm {
  readonly forward: PassPiece;
  readonly backward: PassPiece;
  updateRunningStatistics?(): void;
}

/** Binds the normalization of one part at one time step. */
export function bindStepNorm(
  spec: RecurrentSpec,
  binding: Binding,
  place: { readonly part: NormedPart; readonly t: number; readonly tensors: StepTensors },
  gradients: {
    readonly weight: GradientSink | undefined;
    readonly bias: GradientSink | undefined;
  },
): BoundStepNorm {
  const { kernels, countGrains, memory, path } = binding;
  const { part, t } = place;
  const columns = normedColumns(spec, part);
  const columnsBytes = columns * DOUBLE_BYTES;
  const statisticsBytes = statisticsLength(spec, part, binding) * DOUBLE_BYTES;
  const statisticsPtr = binding.workspacePtr(`statistics${part}`) + t * statisticsBytes;
  const setup = {
    ...{ kernels, countGrains, step: binding.step, eps: spec.eps },
    ...place.tensors,
    weightPtr: binding.parameterPtr(`normWeight${part}`),
    biasPtr: spec.bias ? binding.parameterPtr(biasName(part)) : 0,
    weightGrad: gradients.weight,
    biasGrad: gradients.bias,
    rowsPerSample: 1,
  };
  if (spec.norm === 'layer') {
    const bound = bindLayerNorm({ ...setup, length: columns, statisticsPtr, openGradPtr: 0 });
    return { forward: { run: bound.forward }, backward: { run: bound.backward } };
  }
  const bound = bindBatchNorm({
    ...setup,
    ...{ path: `${path}, time step ${t}`, memory, channels: columns, momentum: spec.momentum },
    running: {
      meanPtr: binding.bufferPtr(`runningMean${part}`) + t * columnsBytes,
      varPtr: binding.bufferPtr(`runningVar${part}`) + t * columnsBytes,
      countPtr: binding.bufferPtr(`numBatchesTracked${part}`) + t * DOUBLE_BYTES,
    },
    coefficientsPtr: statisticsPtr,
    moments: binding.reduction(`moments${part}.${t}`),
    sums: binding.reduction(`sums${part}.${t}`),
  });
  return {
    forward: { run: bound.forward, splits: bound.exchanging?.forward },
    backward: { run: bound.backward, splits: bound.exchanging?.backward },
    updateRunningStatistics: bound.updateRunningStatistics,
  };
}
