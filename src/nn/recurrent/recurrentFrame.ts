// Where the tensors of a bound recurrent layer lie. Tensors of one time step are [samples,
// columns], and those of all steps stand one behind the other, [T, capacity, columns].

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { Binding } from '../layers/layer.ts';
import type { RecurrentSpec } from '../specs/recurrent.ts';

/** The input's part of the pre-activations and the hidden state's, by PyTorch's names. */
export const PARTS = ['Ih', 'Hh'] as const;
export type Part = (typeof PARTS)[number];

/** An address for the input's part of the pre-activations and one for the hidden state's. */
export type PartPtrs = Readonly<Record<Part, number>>;

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

/** The parts of an Elman network are only added, so that they have one gradient. */
function gateGradsOf(spec: RecurrentSpec, binding: Binding): PartPtrs {
  const inputPtr = binding.workspacePtr('gateGradsIh');
  if (spec.kind === 'rnn') return { Ih: inputPtr, Hh: inputPtr };
  return { Ih: inputPtr, Hh: binding.workspacePtr('gateGradsHh') };
}

/** Pre-activations of one sample and time step. */
export function gateColumns(spec: RecurrentSpec): number {
  return spec.kind === 'gru' ? 3 * spec.hiddenSize : spec.hiddenSize;
}
