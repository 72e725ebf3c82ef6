// The kinds of the recurrent layers in recurrent.ts: the shapes that they take, and the parameters,
// buffers, memory and exchanges that they need. Tensors of one time step are [samples, columns];
// those of all steps are contiguous, [T, capacity, columns].

import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape, sizesDiffer } from '../../base/shape.ts';
import { PANEL_CHANNELS, panelCount } from '../conv/convSteps.ts';
import type {
  LayerKind,
  ParameterDeclaration,
  WorkspaceDeclaration,
  WorkspaceSize,
} from '../layers/layer.ts';
import type { NormTraits } from '../layers/normTraits.ts';
import { grainSumsWorkspace } from '../norms/grainSums.ts';
import { replicasText } from '../norms/normShared.ts';
import type { RandomInitializer } from '../specs/init.ts';
import type { GruSpec, LstmSpec, RecurrentSpec, RnnSpec } from '../specs/recurrent.ts';
import { biasName, gateColumns, hasOneGradient, PARTS, type Part } from './recurrentFrame.ts';
import {
  normBuffers,
  normParameters,
  normReductions,
  normStatistics,
  normWorkspace,
} from './recurrentNorm.ts';
import { bindRecurrent, summedParameters } from './recurrentPasses.ts';

const NORM_KIND_OF = { none: undefined, batch: 'batchNorm', layer: 'layerNorm' } as const;

const innerNorm: NormTraits<RecurrentSpec> = {
  normKind: ({ norm }) => NORM_KIND_OF[norm],
  scope({ norm, sync }, replicas) {
    if (norm === 'none') return '-';
    if (norm === 'layer') return 'sample, each time step';
    return `batch, each time step, ${replicasText(sync, replicas)}`;
  },
};

export const rnnKind: LayerKind<RnnSpec> = recurrentKind('rnn');
export const gruKind: LayerKind<GruSpec> = recurrentKind('gru');
export const lstmKind: LayerKind<LstmSpec> = recurrentKind('lstm');

function recurrentKind<Spec extends RecurrentSpec>(kind: Spec['kind']): LayerKind<Spec> {
  return {
    kind,
    keeps: { input: true, output: false },
    torchOrder: { isSequenceChannelsFirst: false },
    expectedInput: ({ inputSize }) => [Number.NaN, inputSize],
    outputShape,
    parameters,
    buffers: (spec, input) => normBuffers(spec, input[0]!),
    workspace,
    reductions: (spec, input) => normReductions(spec, input[0]!),
    statistics: normStatistics,
    innerNorm,
    multiplyAdds: (spec, input) =>
      input[0]! * gateColumns(spec) * (spec.inputSize + spec.hiddenSize),
    bind: bindRecurrent,
  };
}

function outputShape(spec: RecurrentSpec, input: Shape, path: string): Shape {
  if (input.length !== 2 || sizesDiffer(input[1]!, spec.inputSize)) {
    throw new UsageError({
      what: `input of ${path}`,
      given: showShape(input),
      allowed: `a sequence [T, ${spec.inputSize}], time steps first`,
      hint: `inputSize ${input[input.length - 1] ?? 1}, or reshape before it`,
    });
  }
  return spec.returnSequence ? [input[0]!, spec.hiddenSize] : [spec.hiddenSize];
}

function parameters(spec: RecurrentSpec): readonly ParameterDeclaration[] {
  const columns = gateColumns(spec);
  // As PyTorch does: uniform within 1 / sqrt(hiddenSize), both weights and biases.
  const init = { kind: 'torch', fanIn: spec.hiddenSize, fanOut: spec.hiddenSize } as const;
  const weight = { role: 'weight', init } as const;
  const bias = (part: Part): ParameterDeclaration => ({
    name: biasName(part),
    shape: [columns],
    role: 'bias',
    init: { ...init, ...forgetGate(spec, part) },
    torch: { name: part === 'Ih' ? 'bias_ih_l0' : 'bias_hh_l0' },
  });
  return [
    {
      name: 'weightIh',
      shape: [spec.inputSize, columns],
      ...weight,
      torch: { name: 'weight_ih_l0', axes: [1, 0] },
    },
    {
      name: 'weightHh',
      shape: [spec.hiddenSize, columns],
      ...weight,
      torch: { name: 'weight_hh_l0', axes: [1, 0] },
    },
    ...(spec.bias ? PARTS.map(bias) : []),
    ...normParameters(spec),
  ];
}

/** The initial biases of the forget gate, if they are given. */
function forgetGate(spec: RecurrentSpec, part: Part): Pick<RandomInitializer, 'except'> {
  if (spec.kind !== 'lstm' || spec.forgetBias === null) return {};
  const { hiddenSize, forgetBias } = spec;
  const value = part === 'Ih' ? forgetBias : 0;
  return { except: { lo: hiddenSize, hi: 2 * hiddenSize, value } };
}

function workspace(
  spec: RecurrentSpec,
  input: Shape,
  size: WorkspaceSize,
): readonly WorkspaceDeclaration[] {
  const { inputSize, hiddenSize } = spec;
  const { capacity, countGrains } = size;
  const steps = input[0]!;
  const columns = gateColumns(spec);
  const panels = (name: string, rows: number, columnsOut: number): WorkspaceDeclaration => ({
    name,
    type: 'f32',
    shape: [panelCount(columnsOut), rows, PANEL_CHANNELS],
    lifetime: 'run',
  });
  const perStep = (name: string): WorkspaceDeclaration => ({
    name,
    type: 'f32',
    shape: [steps, capacity, columns],
  });
  return [
    panels('panelsIh', inputSize, columns),
    panels('panelsHh', hiddenSize, columns),
    panels('gradPanelsIh', columns, inputSize),
    panels('gradPanelsHh', columns, hiddenSize),
    // h(0) to h(T).
    { name: 'states', type: 'f32', shape: [steps + 1, capacity, hiddenSize] },
    { name: 'stateGrad', type: 'f32', shape: [capacity, hiddenSize] },
    { name: 'stateTerm', type: 'f32', shape: [capacity, hiddenSize] },
    ...PARTS.map((part) => perStep(`products${part}`)),
    perStep('gateGradsIh'),
    ...(hasOneGradient(spec) ? [] : [perStep('gateGradsHh')]),
    ...(spec.norm === 'none'
      ? []
      : PARTS.flatMap((part) => [perStep(`normed${part}`), perStep(`productGrads${part}`)])),
    ...(spec.kind === 'lstm' ? cellWorkspace(spec, steps, capacity) : []),
    ...summedParameters(spec).map(({ name, columns: length }) =>
      grainSumsWorkspace(`${name}.sums`, length, countGrains),
    ),
    ...normWorkspace(spec, steps, size),
  ];
}

function cellWorkspace(
  { hiddenSize, norm }: LstmSpec,
  steps: number,
  capacity: number,
): readonly WorkspaceDeclaration[] {
  const type = 'f32';
  const ofOneStep = ['cellGrad', 'squashGrad', ...(norm === 'none' ? [] : ['cellTerm'])];
  return [
    // c(0) to c(T).
    { name: 'cells', type, shape: [steps + 1, capacity, hiddenSize] },
    { name: 'squashed', type, shape: [steps, capacity, hiddenSize] },
    ...ofOneStep.map((name) => ({ name, type, shape: [capacity, hiddenSize] }) as const),
  ];
}
