// The interface of joins, which make one value from several. Sums are separate operations
// (graph.ts), since normalizations and relus can be fused with them.

import type { Shape } from '../../base/shape.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { JoinSpec } from '../specs/joins.ts';
import type { BoundTensor, StepState } from './layer.ts';

/** The addresses that a join uses. */
export interface JoinBinding {
  readonly kernels: KernelExports;
  readonly step: StepState;
  readonly inputs: readonly BoundTensor[];
  readonly output: BoundTensor;
}

export interface JoinKind {
  readonly kind: Exclude<JoinSpec['kind'], 'add'>;
  /** Returns the output shape, or throws a UsageError that names the join and all shapes. */
  outputShape(inputs: readonly Shape[], path: string): Shape;
  /** Whether the backward pass reads the inputs. If not, their memory is reused. */
  readonly keepsInputs: boolean;
  /** Backward writes the gradient of each input, unless its gradPtr is 0. */
  bind(binding: JoinBinding): { forward(): void; backward(): void };
}
