// What a recurrent layer does at one time step, element by element, between its products: from the
// two parts of the pre-activations and the state before to the next state, and back.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { cellFrameOf, type RecurrentFrame } from './recurrentFrame.ts';
import type { BoundStepNorm } from './recurrentNorm.ts';

export interface BoundCell {
  /** Whether the state before also gets a gradient directly, past the pre-activations. The cell of
   * an lstm is no such state: it has a gradient of its own. */
  readonly isCarrying: boolean;
  /** Writes h(t + 1); called from the first time step to the last, `backward` the other way. */
  forward(t: number): void;
  /** From the gradient of h(t + 1) at `stateGradPtr` to those of the pre-activations; a carrying
   * cell puts what h(t) gets directly in its place. */
  backward(t: number, stateGradPtr: number): void;
}

/** Binds the cell of a layer. `cellNorms` normalize the cell of an lstm at each time step. */
export function bindCell(
  frame: RecurrentFrame,
  cellNorms: readonly (readonly BoundStepNorm[])[],
): BoundCell {
  switch (frame.spec.kind) {
    case 'gru':
      return bindGru(frame);
    case 'lstm':
      return bindLstm(frame, cellNorms);
    case 'rnn':
      return bindElman(frame, frame.spec.nonlinearity);
  }
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

function bindLstm(
  frame: RecurrentFrame,
  cellNorms: readonly (readonly BoundStepNorm[])[],
): BoundCell {
  const { binding, spec, normed, gateGrads, hasNorm, steps } = frame;
  const { statesPtr, stateStepBytes, gateStepBytes } = frame;
  const { kernels, step } = binding;
  const { hiddenSize } = spec;
  const { cellsPtr, squashedPtr, cellGradPtr, squashGradPtr, cellTermPtr } = cellFrameOf(frame);
  const stateBytes = hiddenSize * FLOAT_BYTES;
  return {
    isCarrying: false,
    // The gates take the place of the input's part, tanh that of the normalized cell.
    forward(t) {
      const { countSamples } = step;
      if (t === 0) kernels.zeroBytes(cellsPtr, countSamples * stateBytes);
      const gatesPtr = normed.Ih + t * gateStepBytes;
      const hiddenPtr = normed.Hh + t * gateStepBytes;
      const cellPtr = cellsPtr + t * stateStepBytes;
      const nextPtr = cellPtr + stateStepBytes;
      kernels.lstmCellF32(gatesPtr, hiddenPtr, cellPtr, nextPtr, countSamples, hiddenSize);
      for (const norm of cellNorms[t]!) norm.forward();
      const toPtr = squashedPtr + t * stateStepBytes;
      const fromPtr = hasNorm ? toPtr : nextPtr;
      const statePtr = statesPtr + (t + 1) * stateStepBytes;
      kernels.lstmOutputF32(fromPtr, gatesPtr, toPtr, statePtr, countSamples, hiddenSize);
    },
    backward(t, stateGradPtr) {
      const { countSamples } = step;
      if (t === steps - 1) kernels.zeroBytes(cellGradPtr, countSamples * stateBytes);
      const gatesPtr = normed.Ih + t * gateStepBytes;
      const gateGradsPtr = gateGrads.Ih + t * gateStepBytes;
      kernels.lstmOutputGradF32(
        stateGradPtr,
        gatesPtr,
        squashedPtr + t * stateStepBytes,
        gateGradsPtr,
        squashGradPtr,
        countSamples,
        hiddenSize,
      );
      for (const norm of cellNorms[t]!) norm.backward();
      kernels.lstmCellGradF32(
        cellGradPtr,
        cellTermPtr,
        gatesPtr,
        cellsPtr + t * stateStepBytes,
        gateGradsPtr,
        countSamples,
        hiddenSize,
      );
    },
  };
}
