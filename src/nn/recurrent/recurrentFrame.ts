// Where the tensors of a bound recurrent layer lie. Tensors of one time step are [samples,
// columns], and those of all steps lie back to back, [T, capacity, columns].

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { Binding } from '../layers/layer.ts';
import type { RecurrentSpec } from '../specs/recurrent.ts';

/** The input's part of the pre-activations and the hidden state's, by PyTorch's names. */
export const PARTS = ['Ih', 'Hh'] as const;
export type Part = (typeof PARTS)[number];

/** An address for the input's part of the pre-activations and one for the hidden state's. */
export type PartPtrs = Readonly<Record<Part, number>>;

/** What a recurrent layer may normalize at each time step: both parts, and the cell of an lstm
 * where it enters tanh. */
export type NormedPart = Part | 'Cell';

export interface RecurrentFrame {
  readonly spec: RecurrentSpec;
  readonly binding: Binding;
  readonly steps: number;
  readonly columns: number;
  readonly hasNorm: boolean;
  /** From one time step of [capacity, columns], or of [capacity, hiddenSize], to the next. */
  readonly gateStepBytes: number;
  readonly stateStepBytes: number;
  /** h(0) to h(T). */
  readonly statesPtr: number;
  readonly products: PartPtrs;
  /** What the cell reads: the products, or what the normalizations make of them. */
  readonly normed: PartPtrs;
  /** Gradients of what the cell read, and of the products. */
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

/** Pre-activations of one sample and time step. */
export function gateColumns(spec: RecurrentSpec): number {
  return GATES[spec.kind] * spec.hiddenSize;
}

/** What a layer normalizes at each time step. */
export function normedParts(spec: RecurrentSpec): readonly NormedPart[] {
  if (spec.norm === 'none') return [];
  return spec.kind === 'lstm' ? [...PARTS, 'Cell'] : PARTS;
}

/** Values that a normalization takes of each sample. */
export function normedColumns(spec: RecurrentSpec, part: NormedPart): number {
  return part === 'Cell' ? spec.hiddenSize : gateColumns(spec);
}

/** The bias that is added after a normalization. */
export function biasName(part: NormedPart): string {
  return part === 'Cell' ? 'normBiasCell' : `bias${part}`;
}

/** Where an lstm has its cell, beside the states of its frame. */
export interface CellFrame {
  /** c(0) to c(T). */
  readonly cellsPtr: number;
  /** Of each time step: what enters tanh where there is a norm, then tanh of it. */
  readonly squashedPtr: number;
  /** Of one time step: what later ones give to the gradient of the cell; the gradient of what
   * entered tanh; what that gives to the gradient of the cell. */
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
