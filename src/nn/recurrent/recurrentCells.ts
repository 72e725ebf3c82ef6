// What a recurrent layer does at one time step, element by element, between its products: from the
// two parts of the pre-activations and the state before to the next state, and back.

import type { RecurrentFrame } from './recurrentFrame.ts';

export interface BoundCell {
  /** Whether the state before also gets a gradient directly, past the pre-activations. */
  readonly isCarrying: boolean;
  /** Writes h(t + 1). */
  forward(t: number): void;
  /** From the gradient of h(t + 1) at `stateGradPtr` to those of the pre-activations; a carrying
   * cell puts what h(t) gets directly in its place. */
  backward(t: number, stateGradPtr: number): void;
}

/** Binds the cell of a layer. */
export function bindCell(frame: RecurrentFrame): BoundCell {
  return frame.spec.kind === 'gru' ? bindGru(frame) : bindElman(frame, frame.spec.nonlinearity);
}

function bindElman(frame: RecurrentFrame, nonlinearity: 'tanh' | 'relu'): BoundCell {
  const { binding, spec, normed, gateGrads, statesPtr, stateStepBytes, gateStepBytes } = frame;
  const { kernels, step } = binding;
  const isTanh = nonlinearity === 'tanh';
  return {
    isCarrying: false,
    forward(t) {
      const nextPtr = statesPtr + (t + 1) * stateStepBytes;
      const inputPtr = normed.Ih + t * gateStepBytes;
      const hiddenPtr = normed.Hh + t * gateStepBytes;
      const elements = step.countSamples * spec.hiddenSize;
      if (isTanh) {
        kernels.addF32(nextPtr, inputPtr, hiddenPtr, elements);
        kernels.tanhF32(nextPtr, nextPtr, elements);
      } else kernels.addReluF32(nextPtr, inputPtr, hiddenPtr, elements);
    },
    backward(t, stateGradPtr) {
      const nextPtr = statesPtr + (t + 1) * stateStepBytes;
      const toPtr = gateGrads.Ih + t * gateStepBytes;
      const elements = step.countSamples * spec.hiddenSize;
      if (isTanh) kernels.tanhGradF32(stateGradPtr, nextPtr, toPtr, elements);
      else kernels.reluGradF32(stateGradPtr, nextPtr, toPtr, elements);
    },
  };
}

function bindGru(frame: RecurrentFrame): BoundCell {
  const { binding, spec, normed, gateGrads, statesPtr, stateStepBytes, gateStepBytes } = frame;
  const { kernels, step } = binding;
  return {
    isCarrying: true,
    // The gates take the place of the input's part.
    forward(t) {
      const at = t * gateStepBytes;
      const statePtr = statesPtr + t * stateStepBytes;
      const nextPtr = statePtr + stateStepBytes;
      const { countSamples } = step;
      kernels.gruCellF32(
        normed.Ih + at,
        normed.Hh + at,
        statePtr,
        nextPtr,
        countSamples,
        spec.hiddenSize,
      );
    },
    backward(t, stateGradPtr) {
      const at = t * gateStepBytes;
      kernels.gruCellGradF32(
        stateGradPtr,
        normed.Ih + at,
        normed.Hh + at,
        statesPtr + t * stateStepBytes,
        gateGrads.Ih + at,
        gateGrads.Hh + at,
        step.countSamples,
        spec.hiddenSize,
      );
    },
  };
}
