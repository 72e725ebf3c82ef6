// Losses: one number for each sample, and the gradient of their mean over the GLOBAL batch with
// regard to the model's output, so that uneven shards weigh every sample the same. Formulas:
// kernels/abi/loss.ts.

import type { LossKernels } from '../../kernels/abi/loss.ts';
import type { LossSpec } from '../specs/losses.ts';
import type { StepState } from './layer.ts';

/** What a loss works on, for one worker. N is the number of its samples in the step. */
export interface LossBinding {
  readonly kernels: LossKernels;
  readonly step: StepState;
  /** Outputs of the model for one sample: classes, or predicted numbers. */
  readonly outputLength: number;
  /** float32 [N, outputLength]. */
  readonly outputPtr: number;
  /** float32 [N, outputLength]; 0 when nobody needs the gradient. */
  readonly outputGradPtr: number;
  /** int32 [N], each in [0, outputLength), or float32 [N, outputLength]. */
  readonly targetsPtr: number;
  /** float64 [N]. */
  readonly lossesPtr: number;
  /** int32 [N]: whether the largest output is the label's. Not written by meanSquaredError. */
  readonly correctPtr: number;
}

export interface BoundLoss {
  /** Writes the losses of this worker's samples and whether they are classified right; in training
   * also the gradient of the mean loss of the global batch. */
  run(): void;
}

/** Binds a loss to its addresses. */
export function bindLoss(spec: LossSpec, binding: LossBinding): BoundLoss {
  const { kernels, step, outputLength, outputPtr, outputGradPtr, targetsPtr } = binding;
  const { lossesPtr, correctPtr } = binding;
  const gradPtr = (): number => (step.training ? outputGradPtr : 0);
  if (spec.kind === 'meanSquaredError') {
    return {
      run() {
        kernels.meanSquaredErrorF32(
          outputPtr,
          targetsPtr,
          gradPtr(),
          lossesPtr,
          step.countSamples,
          outputLength,
          step.globalCount,
        );
      },
    };
  }
  const { labelSmoothing } = spec;
  return {
    run() {
      kernels.softmaxCrossEntropyF32(
        outputPtr,
        targetsPtr,
        gradPtr(),
        lossesPtr,
        correctPtr,
        step.countSamples,
        outputLength,
        labelSmoothing,
        step.globalCount,
      );
    },
  };
}
