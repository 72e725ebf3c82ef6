// The products of a recurrent layer with its two weights and their gradients, on the convolution's
// kernels: a grid of [time steps, samples] vectors counts as the pixels of an image, with a single
// tap that is the whole vector. What concerns the input runs over all time steps at once.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { PANEL_ROW_BYTES } from '../conv/convSteps.ts';
import type { RecurrentFrame } from './recurrentFrame.ts';
import { PARTS } from './recurrentFrame.ts';

/** Vectors of all time steps and samples: address of the first, from one time step to the next,
 * from one sample to the next, and floats of each. */
interface Vectors {
  readonly ptr: number;
  readonly stepBytes: number;
  readonly sampleBytes: number;
  readonly length: number;
}

export interface BoundProducts {
  packForward(): void;
  packBackward(): void;
  /** Of all time steps. */
  input(): void;
  /** Of the state before time step t. */
  hidden(t: number): void;
  /** Gradients of the input, unless nobody needs them. */
  inputGradient(): void;
  /** Writes what the products of time step t give to the gradient of the state before. */
  stateGradient(t: number, toPtr: number): void;
  /** Gradients of both weights. */
  foldWeights(): void;
}

export function bindProducts(frame: RecurrentFrame): BoundProducts {
  const { spec, binding, columns, steps, gateStepBytes, stateStepBytes, statesPtr } = frame;
  const { kernels, step, input } = binding;
  const gateBytes = columns * FLOAT_BYTES;
  const stateBytes = spec.hiddenSize * FLOAT_BYTES;
  const inputBytes = spec.inputSize * FLOAT_BYTES;
  const rows = { Ih: spec.inputSize, Hh: spec.hiddenSize };
  const sequence = { stepBytes: inputBytes, sampleBytes: steps * inputBytes, length: rows.Ih };
  const states = { stepBytes: stateStepBytes, sampleBytes: stateBytes, length: rows.Hh };
  const gates = { stepBytes: gateStepBytes, sampleBytes: gateBytes, length: columns };
  // Behind a normalization the biases are part of that.
  const hasBias = spec.bias && !frame.hasNorm;
  const weights = PARTS.map((part) => ({
    ptr: binding.parameterPtr(`weight${part}`),
    rows: rows[part],
    biasPtr: hasBias ? binding.parameterPtr(`bias${part}`) : 0,
    panelsPtr: binding.workspacePtr(`panels${part}`),
    gradPanelsPtr: binding.workspacePtr(`gradPanels${part}`),
  }));
  const [inputWeight, hiddenWeight] = [weights[0]!, weights[1]!];
  const gradients = { Ih: binding.gradient('weightIh'), Hh: binding.gradient('weightHh') };

  const multiply = (
    from: Vectors,
    to: Vectors,
    by: { readonly panelsPtr: number; readonly biasPtr: number },
    countSteps: number,
  ): void => {
    const vectorBytes = from.length * FLOAT_BYTES;
    kernels.convTilesF32(
      from.ptr,
      from.stepBytes,
      from.sampleBytes,
      1,
      vectorBytes,
      1,
      vectorBytes,
      from.length,
      by.panelsPtr,
      by.biasPtr,
      to.ptr,
      to.stepBytes,
      to.sampleBytes,
      countSteps,
      step.countSamples,
      to.length,
    );
  };

  /** The gradient of one weight: over the time steps and samples of each grain. */
  const foldWeight = (part: 'Ih' | 'Hh', from: Vectors): void => {
    const vectorBytes = from.length * FLOAT_BYTES;
    const dyPtr = frame.productGrads[part];
    for (let grain = 0; grain < binding.countGrains; grain++) {
      const start = step.grainStart[grain]!;
      kernels.convWeightGradTilesF32(
        from.ptr + start * from.sampleBytes,
        from.stepBytes,
        from.sampleBytes,
        1,
        vectorBytes,
        1,
        vectorBytes,
        from.length,
        dyPtr + start * gateBytes,
        gateStepBytes,
        gateBytes,
        steps,
        step.grainStart[grain + 1]! - start,
        columns,
        gradients[part].leafPtr(grain),
        gateBytes,
        0,
      );
      gradients[part].fold(grain);
    }
  };

  // Bound once, so that a step allocates nothing.
  const inputVectors = { ptr: input.ptr, ...sequence };
  const inputGrads = { ptr: input.gradPtr, ...sequence };
  const inputProducts = { ptr: frame.products.Ih, ...gates };
  const inputProductGrads = { ptr: frame.productGrads.Ih, ...gates };
  const allStates = { ptr: statesPtr, ...states };
  const stateVectors = Array.from({ length: steps }, (_, t) => ({
    ...states,
    ptr: statesPtr + t * stateStepBytes,
  }));
  const stateProducts = stateVectors.map((_, t) => ({
    ...gates,
    ptr: frame.products.Hh + t * gateStepBytes,
  }));
  const stateProductGrads = stateVectors.map((_, t) => ({
    ...gates,
    ptr: frame.productGrads.Hh + t * gateStepBytes,
  }));
  const byInput = { panelsPtr: inputWeight.gradPanelsPtr, biasPtr: 0 };
  const byHidden = { panelsPtr: hiddenWeight.gradPanelsPtr, biasPtr: 0 };
  const stateGrad = { ...states, ptr: 0 };

  return {
    packForward() {
      for (const { ptr, rows, panelsPtr } of weights) {
        kernels.packPanelsF32(ptr, gateBytes, rows, columns, panelsPtr);
      }
    },
    packBackward() {
      const panelBytes = columns * PANEL_ROW_BYTES;
      for (const { ptr, rows, gradPanelsPtr } of weights) {
        kernels.packTransposedPanelsF32(ptr, gateBytes, columns, rows, gradPanelsPtr, panelBytes);
      }
    },
    input: () => multiply(inputVectors, inputProducts, inputWeight, steps),
    hidden: (t) => multiply(stateVectors[t]!, stateProducts[t]!, hiddenWeight, 1),
    inputGradient() {
      if (input.gradPtr !== 0) multiply(inputProductGrads, inputGrads, byInput, steps);
    },
    stateGradient(t, toPtr) {
      stateGrad.ptr = toPtr;
      multiply(stateProductGrads[t]!, stateGrad, byHidden, 1);
    },
    foldWeights() {
      foldWeight('Ih', inputVectors);
      foldWeight('Hh', allStates);
    },
  };
}
