// What makes one value of several: an object that satisfies JoinKind. Sums are operations of their
// own (graph.ts), since normalizations and relus take part in them.

import type { Shape } from '../../base/shape.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { JoinSpec } from '../specs/joins.ts';
import type { BoundTensor, StepState } from './layer.ts';

/** The addresses that a join works with. */
export interface JoinBinding {
  readonly kernels: KernelExports;
  readonly step: StepState;
  readonly inputs: readonly BoundTensor[];
  readonly output: BoundTensor;
}

export interface JoinKind {
  readonly kind: Exclude<JoinSpec['kind'], 'add'>;
  /** The shape that comes out, or a UsageError that names the join and all shapes. */
  outputShape(inputs: readonly Shape[], path: string): Shape;
  /** Whether the backward pass reads the inputs; their memory is used again where it does not. */
  readonly keepsInputs: boolean;
  /** Backward writes the gradient of each input, unless its gradPtr is 0. */
  bind(binding: JoinBinding): { forward(): void; backward(): void };
}
