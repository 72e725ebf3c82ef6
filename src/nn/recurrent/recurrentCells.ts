// The elementwise part of a recurrent layer at one time step, between its products: from the two
// parts of the pre-activations and the previous state to the next state, and back.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { PassPiece } from '../../reduce/passPieces.ts';
import { cellFrameOf, type RecurrentFrame } from './recurrentFrame.ts';
import type { BoundStepNorm } from './recurrentNorm.ts';

export interface BoundCell {
  /** Whether the previous state also gets a gradient directly, bypassing the pre-activations. The
   * cell of an lstm is not such a state: it has its own gradient. */
  readonly isCarrying: boolean;
  /** The pieces that write h(t + 1). They run from the first time step to the last, `backward` in
   * reverse. */
  forward(t: number): readonly PassPiece[];
  /** The pieces that go from the gradient of h(t + 1) at `stateGradPtr` to those of the
   * pre-activations. A carrying cell overwrites it with the direct gradient of h(t). */
  backward(t: number, stateGradPtr: number): readonly PassPiece[];
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
      const run = (): void => {
        const elements = step.countSamples * spec.hiddenSize;
        if (isTanh) {
          kernels.addF32(nextPtr, inputPtr, hiddenPtr, elements);
          kernels.tanhF32(nextPtr, nextPtr, elements);
        } else kernels.addReluF32(nextPtr, inputPtr, hiddenPtr, elements);
      };
      return [{ run }];
    },
    backward(t, stateGradPtr) {
      const nextPtr = statesPtr + (t + 1) * stateStepBytes;
      const toPtr = gateGrads.Ih + t * gateStepBytes;
      const grad = isTanh ? kernels.tanhGradF32 : kernels.reluGradF32;
      return [
        { run: () => grad(stateGradPtr, nextPtr, toPtr, step.countSamples * spec.hiddenSize) },
      ];
    },
  };
}

function bindGru(frame: RecurrentFrame): BoundCell {
  const { binding, spec, normed, gateGrads, statesPtr, stateStepBytes, gateStepBytes } = frame;
  const { kernels, step } = binding;
  return {
    isCarrying: true,
    // The gates overwrite the input's part.
    forward(t) {
      const at = t * gateStepBytes;
      const statePtr = statesPtr + t * stateStepBytes;
      const nextPtr = statePtr + stateStepBytes;
      const run = (): void =>
        kernels.gruCellF32(
          normed.Ih + at,
          normed.Hh + at,
          statePtr,
          nextPtr,
          step.countSamples,
          spec.hiddenSize,
        );
      return [{ run }];
    },
    backward(t, stateGradPtr) {
      const at = t * gateStepBytes;
      const run = (): void =>
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
      return [{ run }];
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
    // The gates overwrite the input's part, and tanh the normalized cell.
    forward(t) {
      const gatesPtr = normed.Ih + t * gateStepBytes;
      const hiddenPtr = normed.Hh + t * gateStepBytes;
      const cellPtr = cellsPtr + t * stateStepBytes;
      const nextPtr = cellPtr + stateStepBytes;
      const toPtr = squashedPtr + t * stateStepBytes;
      const fromPtr = hasNorm ? toPtr : nextPtr;
      const statePtr = statesPtr + (t + 1) * stateStepBytes;
      const writeCell = (): void => {
        const { countSamples } = step;
        if (t === 0) kernels.zeroBytes(cellsPtr, countSamples * stateBytes);
        kernels.lstmCellF32(gatesPtr, hiddenPtr, cellPtr, nextPtr, countSamples, hiddenSize);
      };
      const writeOutput = (): void =>
        kernels.lstmOutputF32(fromPtr, gatesPtr, toPtr, statePtr, step.countSamples, hiddenSize);
      const norms = cellNorms[t]!.map((norm) => norm.forward);
      return [{ run: writeCell }, ...norms, { run: writeOutput }];
    },
    backward(t, stateGradPtr) {
      const gatesPtr = normed.Ih + t * gateStepBytes;
      const gateGradsPtr = gateGrads.Ih + t * gateStepBytes;
      const outputGrad = (): void => {
        const { countSamples } = step;
        if (t === steps - 1) kernels.zeroBytes(cellGradPtr, countSamples * stateBytes);
        kernels.lstmOutputGradF32(
          stateGradPtr,
          gatesPtr,
          squashedPtr + t * stateStepBytes,
          gateGradsPtr,
          squashGradPtr,
          countSamples,
          hiddenSize,
        );
      };
      const cellGrad = (): void =>
        kernels.lstmCellGradF32(
          cellGradPtr,
          cellTermPtr,
          gatesPtr,
          cellsPtr + t * stateStepBytes,
          gateGradsPtr,
          step.countSamples,
          hiddenSize,
        );
      const norms = cellNorms[t]!.map((norm) => norm.backward);
      return [{ run: outputGrad }, ...norms, { run: cellGrad }];
    },
  };
}
