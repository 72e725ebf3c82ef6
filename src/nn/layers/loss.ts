// Losses: one number for each sample, and the gradient of their mean over the GLOBAL batch with
// regard to the model's output, so that uneven shards weigh every sample the same. With weights w
// the mean is sum(w l) / sum(w) over the global batch, as PyTorch has it: the run hands losses
// w globalCount / sum(w) as weights. Formulas: kernels/abi/loss.ts.

import type { LossKernels } from '../../kernels/abi/loss.ts';
import type { LossSpec } from '../specs/losses.ts';
import type { StepState } from './layer.ts';

/** What a loss works on, for one worker. N is the number of its samples in the step. */
export interface LossBinding {
  readonly kernels: LossKernels;
  readonly memory: WebAssembly.Memory;
  readonly step: StepState;
  /** The most samples in any step. */
  readonly capacity: number;
  /** Outputs of the model for one sample: classes of each position, or predicted numbers. */
  readonly outputLength: number;
  /** Labels of one sample: the pixels of a mask, else 1. */
  readonly positions: number;
  /** float32 [N, outputLength]. */
  readonly outputPtr: number;
  /** float32 [N, outputLength]; 0 when the gradient is not needed. */
  readonly outputGradPtr: number;
  /** int32 [N, positions], each a class or the loss's `ignoreIndex`; 0 where data has numbers. */
  readonly labelsPtr: number;
  /** float32 [N, outputLength]: targets that are numbers, or, in training, the shares of classes
   * that are mixed; 0 where there are only labels. */
  readonly numbersPtr: number;
  /** float64 [N], scaled so that the mean over the global batch, or the split in evaluation, is the
   * weighted one; 0 where all are 1. */
  readonly weightsPtr: number;
  /** float64, one for each class or number: what the loss declares as `outputWeights`; 0 where it
   * does not. */
  readonly outputWeightsPtr: number;
  /** float64 [N]. */
  readonly lossesPtr: number;
  /** int32 [N]: at how many positions the largest output is the label's, or 1 where all outputs are
   * on the right side. Written by losses that know it. */
  readonly correctPtr: number;
}

export interface BoundLoss {
  /** Writes the losses of this worker's samples and whether they are classified right; in training
   * also the gradient of the mean loss of the global batch. */
  run(): void;
}

/** What targets are: one class index a sample, or one for each of its positions, or numbers. */
export type TargetForm = 'classes' | 'masks' | 'numbers';

/** All that is known of a loss. */
export interface LossKind<Spec extends LossSpec> {
  readonly takes: readonly TargetForm[];
  /** Whether it writes for each sample if it is right, also where targets are numbers. */
  readonly knowsRight: boolean;
  /** What numbers have to be: each from 0 to 1, or also with a sum of 1 in each sample; default
   * any. */
  readonly range?: 'unit' | 'shares';
  /** A weight for each output, which the loss reads from the arena. */
  outputWeights?(spec: Spec): readonly number[] | undefined;
  /** Throws a UsageError for one that cannot be bound. */
  check?(spec: Spec): void;
  bind(spec: Spec, binding: LossBinding): BoundLoss;
}
