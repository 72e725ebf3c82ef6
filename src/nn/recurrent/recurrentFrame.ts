// The addresses of a bound recurrent layer's tensors. Tensors of one time step are
// [samples, columns]; those of all steps are contiguous, [T, capacity, columns].

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { Binding } from '../layers/layer.ts';
import type { RecurrentSpec } from '../specs/recurrent.ts';

/** The input's part of the pre-activations and the hidden state's, by PyTorch's names. */
export const PARTS = ['Ih', 'Hh'] as const;
export type Part = (typeof PARTS)[number];

/** An address for the input's part of the pre-activations and one for the hidden state's. */
export type PartPtrs = Readonly<Record<Part, number>>;

/** What a recurrent layer may normalize at each time step: both parts, and the cell of an lstm
 * before its tanh. */
export type NormedPart = Part | 'Cell';

export interface RecurrentFrame {
  readonly spec: RecurrentSpec;
  readonly binding: Binding;
  readonly steps: number;
  readonly columns: number;
  readonly hasNorm: boolean;
  /** The distance between time steps of [capacity, columns] or [capacity, hiddenSize]. */
  readonly gateStepBytes: number;
  readonly stateStepBytes: number;
  /** h(0) to h(T). */
  readonly statesPtr: number;
  readonly products: PartPtrs;
  /** The inputs of the cell: the products, normalized if the layer has a norm. */
  readonly normed: PartPtrs;
  /** The gradients of the inputs of the cell, and of the products. */
  readonly gateGrads: PartPtrs;
  readonly productGrads: PartPtrs;
}

export function frameOf(spec: RecurrentSpec, binding: Binding): RecurrentFrame {
  const columns = gateColumns(spec);
  const hasNorm = spec.norm !== 'none';
  const at = (name: string): PartPtrs => ({
    Ih: binding.workspacePtr(`${name}Ih`),
    Hh: binding.workspacePtr(`${name}Hh`),
  });
  const products = at('products');
  const grads = gateGradsOf(spec, binding);
  return {
    ...{ spec, binding, columns, hasNorm, products, gateGrads: grads },
    steps: binding.input.shape[0]!,
    gateStepBytes: binding.capacity * columns * FLOAT_BYTES,
    stateStepBytes: binding.capacity * spec.hiddenSize * FLOAT_BYTES,
    statesPtr: binding.workspacePtr('states'),
    normed: hasNorm ? at('normed') : products,
    productGrads: hasNorm ? at('productGrads') : grads,
  };
}

function gateGradsOf(spec: RecurrentSpec, binding: Binding): PartPtrs {
  const inputPtr = binding.workspacePtr('gateGradsIh');
  return {
    Ih: inputPtr,
    Hh: hasOneGradient(spec) ? inputPtr : binding.workspacePtr('gateGradsHh'),
  };
}

/** Whether both parts have the same gradient because the cell only adds them; a gru does not. */
export function hasOneGradient(spec: RecurrentSpec): boolean {
  return spec.kind !== 'gru';
}

const GATES = { rnn: 1, gru: 3, lstm: 4 } as const;

/** The number of pre-activations of one sample and time step. */
export function gateColumns(spec: RecurrentSpec): number {
  return GATES[spec.kind] * spec.hiddenSize;
}

/** The parts that a layer normalizes at each time step. */
export function normedParts(spec: RecurrentSpec): readonly NormedPart[] {
  if (spec.norm === 'none') return [];
  return spec.kind === 'lstm' ? [...PARTS, 'Cell'] : PARTS;
}

/** The number of values that a normalization takes of each sample. */
export function normedColumns(spec: RecurrentSpec, part: NormedPart): number {
  return part === 'Cell' ? spec.hiddenSize : gateColumns(spec);
}

/** The name of the bias that is added after a normalization. */
export function biasName(part: NormedPart): string {
  return part === 'Cell' ? 'normBiasCell' : `bias${part}`;
}

/** The addresses of the cell of an lstm, in addition to its frame. */
export interface CellFrame {
  /** c(0) to c(T). */
  readonly cellsPtr: number;
  /** For each time step: the input of tanh if there is a norm, then its output. */
  readonly squashedPtr: number;
  /** For one time step: the contribution of later steps to the gradient of the cell; the gradient
   * of the input of tanh; its contribution to the gradient of the cell. */
  readonly cellGradPtr: number;
  readonly squashGradPtr: number;
  readonly cellTermPtr: number;
}

export function cellFrameOf({ binding, hasNorm }: RecurrentFrame): CellFrame {
  const squashGradPtr = binding.workspacePtr('squashGrad');
  return {
    squashGradPtr,
    cellsPtr: binding.workspacePtr('cells'),
    squashedPtr: binding.workspacePtr('squashed'),
    cellGradPtr: binding.workspacePtr('cellGrad'),
    cellTermPtr: hasNorm ? binding.workspacePtr('cellTerm') : squashGradPtr,
  };
}
