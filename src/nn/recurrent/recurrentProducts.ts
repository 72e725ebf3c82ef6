// The products of a recurrent layer with its two weights and their gradients. Products with the
// input and its gradient run over all time steps at once, those with the state over one step.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import {
  type BoundWeight,
  bindWeight,
  type VectorGrid,
  type Vectors,
  vectorsAt,
} from '../conv/vectorProducts.ts';
import { PARTS, type Part, type RecurrentFrame } from './recurrentFrame.ts';

export interface BoundProducts {
  packForward(): void;
  packBackward(): void;
  /** Products with the input, for all time steps. */
  input(): void;
  /** Products with the state before time step t. */
  hidden(t: number): void;
  /** Gradients of the input, if they are needed. */
  inputGradient(): void;
  /** Writes the contribution of time step t's products to the gradient of the previous state. */
  stateGradient(t: number, toPtr: number): void;
  /** Gradients of both weights. */
  foldWeights(): void;
}

export function bindProducts(frame: RecurrentFrame): BoundProducts {
  const { binding, steps } = frame;
  const weights = { Ih: bindPart(frame, 'Ih'), Hh: bindPart(frame, 'Hh') };
  const vectors = vectorsOf(frame);
  const { stateGrad } = vectors;
  const isGradNeeded = binding.input.gradPtr !== 0;

  return {
    packForward() {
      for (const part of PARTS) weights[part].packForward();
    },
    packBackward() {
      for (const part of PARTS) weights[part].packBackward();
    },
    input: () => weights.Ih.multiply(vectors.input, vectors.inputProducts, steps),
    hidden: (t) => weights.Hh.multiply(vectors.states[t]!, vectors.stateProducts[t]!, 1),
    inputGradient() {
      if (!isGradNeeded) return;
      weights.Ih.multiplyBack(vectors.inputProductGrads, vectors.inputGrads, steps);
    },
    stateGradient(t, toPtr) {
      stateGrad.ptr = toPtr;
      weights.Hh.multiplyBack(vectors.stateProductGrads[t]!, stateGrad, 1);
    },
    foldWeights() {
      weights.Ih.foldGradient(vectors.input, vectors.inputProductGrads, steps);
      weights.Hh.foldGradient(vectors.states[0]!, vectors.stateProductGrads[0]!, steps);
    },
  };
}

function bindPart({ spec, binding, columns, hasNorm }: RecurrentFrame, part: Part): BoundWeight {
  return bindWeight(binding, {
    ptr: binding.parameterPtr(`weight${part}`),
    rows: part === 'Ih' ? spec.inputSize : spec.hiddenSize,
    columns,
    // A normalization that follows adds the biases itself.
    biasPtr: spec.bias && !hasNorm ? binding.parameterPtr(`bias${part}`) : 0,
    panelsPtr: binding.workspacePtr(`panels${part}`),
    gradPanelsPtr: binding.workspacePtr(`gradPanels${part}`),
    gradient: binding.gradient(`weight${part}`),
  });
}

/** The operands of all products. The grids of states and their products start at each time step. */
interface ProductVectors {
  readonly input: Vectors;
  readonly inputGrads: Vectors;
  readonly inputProducts: Vectors;
  readonly inputProductGrads: Vectors;
  readonly states: readonly Vectors[];
  readonly stateProducts: readonly Vectors[];
  readonly stateProductGrads: readonly Vectors[];
  /** The destination of {@link BoundProducts.stateGradient}. */
  readonly stateGrad: VectorGrid & { ptr: number };
}

function vectorsOf(frame: RecurrentFrame): ProductVectors {
  const { spec, binding, columns, steps, gateStepBytes, stateStepBytes, statesPtr } = frame;
  const { input } = binding;
  const inputBytes = spec.inputSize * FLOAT_BYTES;
  const sequence = {
    stepBytes: inputBytes,
    sampleBytes: steps * inputBytes,
    length: spec.inputSize,
  };
  const states = {
    stepBytes: stateStepBytes,
    sampleBytes: spec.hiddenSize * FLOAT_BYTES,
    length: spec.hiddenSize,
  };
  const gates = {
    stepBytes: gateStepBytes,
    sampleBytes: columns * FLOAT_BYTES,
    length: columns,
  };
  const gatesFromEach = (ptr: number): readonly Vectors[] =>
    Array.from({ length: steps }, (_, t) => vectorsAt(ptr + t * gateStepBytes, gates));
  return {
    input: vectorsAt(input.ptr, sequence),
    inputGrads: vectorsAt(input.gradPtr, sequence),
    inputProducts: vectorsAt(frame.products.Ih, gates),
    inputProductGrads: vectorsAt(frame.productGrads.Ih, gates),
    states: Array.from({ length: steps }, (_, t) =>
      vectorsAt(statesPtr + t * stateStepBytes, states),
    ),
    stateProducts: gatesFromEach(frame.products.Hh),
    stateProductGrads: gatesFromEach(frame.productGrads.Hh),
    stateGrad: vectorsAt(0, states),
  };
}
