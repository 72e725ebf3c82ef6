// Losses: one number for each sample, and the gradient of their mean over the GLOBAL batch with
// respect to the model's output, so that uneven shards weight every sample the same. With weights w
// the mean is sum(w l) / sum(w) over the global batch, as in PyTorch: the run passes w globalCount
// / sum(w) to losses as weights. Formulas: kernels/abi/loss.ts.

import type { LossKernels } from '../../kernels/abi/loss.ts';
import type { LossSpec } from '../specs/losses.ts';
import type { StepState } from './layer.ts';

/** The data of a loss on one worker. N is the number of its samples in the step. */
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
  /** float32 [N, outputLength]; 0 if the gradient is not needed. */
  readonly outputGradPtr: number;
  /** int32 [N, positions], each a class or the loss's `ignoreIndex`; 0 if the targets are
   * numbers. */
  readonly labelsPtr: number;
  /** float32 [N, outputLength]: numeric targets or, in training with mixed samples, the shares of
   * classes; 0 if there are only labels. */
  readonly numbersPtr: number;
  /** float64 [N], scaled so that the mean over the global batch, or the split in evaluation, is the
   * weighted one; 0 if all are 1. */
  readonly weightsPtr: number;
  /** float64, one for each class or number, as declared by `outputWeights` of the loss; 0 without
   * them. */
  readonly outputWeightsPtr: number;
  /** float64 [N]. */
  readonly lossesPtr: number;
  /** int32 [N]: the number of positions at which the label has the largest output, or 1 if all
   * outputs are on the right side. Written by losses that know it. */
  readonly correctPtr: number;
}

export interface BoundLoss {
  /** Writes the losses of this worker's samples and whether they are classified correctly; in
   * training also the gradient of the mean loss over the global batch. */
  run(): void;
}

/** The form of targets: one class index per sample, one for each of its positions, or numbers. */
export type TargetForm = 'classes' | 'masks' | 'numbers';

/** Everything that the library knows about a loss. */
export interface LossKind<Spec extends LossSpec> {
  readonly takes: readonly TargetForm[];
  /** Whether it writes for each sample if it is correct, also if targets are numbers. */
  readonly knowsRight: boolean;
  /** The range of numeric targets: each from 0 to 1 or, with `shares`, also with a sum of 1 in each
   * sample; default any. */
  readonly range?: 'unit' | 'shares';
  /** The weights of the outputs, which the loss reads from the arena. */
  outputWeights?(spec: Spec): readonly number[] | undefined;
  /** Throws a UsageError for a loss that cannot be bound. */
  check?(spec: Spec): void;
  bind(spec: Spec, binding: LossBinding): BoundLoss;
}
