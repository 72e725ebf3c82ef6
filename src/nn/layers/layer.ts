// The interface of layers, LayerKind. A layer declares what it needs, so that all memory is placed
// before the first step, and binds to addresses once. Composite layers (sequential, residual) are
// resolved by graph.ts and never reach this interface.

import type { Shape } from '../../base/shape.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { ElementType } from '../../memory/layout.ts';
import type { NormAddend } from '../../norm/setup.ts';
import type { GradientSink } from '../../reduce/gradientSink.ts';
import type { GrainState } from '../../reduce/grains.ts';
import type {
  BoundReduction,
  ExchangingPasses,
  ReductionDeclaration,
} from '../../reduce/reduction.ts';
import type { Initializer } from '../specs/init.ts';
import type { ParameterRole } from '../specs/parameter.ts';
import type { NormTraits, PureNormTraits } from './normTraits.ts';
import type { TorchForm, TorchOrder } from './torchForm.ts';

/** The state of the current step. One per worker, refilled each step, never reallocated. */
export interface StepState extends GrainState {
  training: boolean;
  /** The number of optimizer steps before this one; keys the random numbers. */
  step: number;
  /** Whether diagnostics of this step are kept. Passes that do not train keep none. */
  isSnapshot: boolean;
}

/** A trained tensor. */
export interface ParameterDeclaration {
  readonly name: string;
  readonly shape: Shape;
  readonly role: ParameterRole;
  readonly init: Initializer;
  /** PyTorch's name and layout of the tensor; absent if they are the same. */
  readonly torch?: TorchForm;
}

/** A float64 tensor that training writes and evaluation reads: running statistics. */
export interface BufferDeclaration {
  readonly name: string;
  readonly shape: Shape;
  readonly initial: number;
  /** PyTorch's name and layout of the tensor; absent if they are the same. */
  readonly torch?: TorchForm;
}

/** How long a layer needs the contents of its workspace. `pass`: no longer than a pass, or part of
 * one that exchanges, so all layers share this memory. `run`: the contents are the same for all
 * samples, such as zero borders or data that is computed from weights alone. `samples`: from
 * forward to backward of the same samples. */
export type WorkspaceLifetime = 'pass' | 'run' | 'samples';

/** Memory of one worker for one layer. */
export interface WorkspaceDeclaration {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
  /** Default `samples`. */
  readonly lifetime?: WorkspaceLifetime;
}

/** The sizes of a worker that decide how much memory a layer needs. */
export interface WorkspaceSize {
  /** The most samples in any step. */
  readonly capacity: number;
  readonly countGrains: number;
  /** The number of sync groups with grains here, for a reduction over `groupReplicas` replicas. */
  countGroups(groupReplicas: number): number;
}

/** An activation: `count` samples of `shape`, channels last, float32. */
export interface BoundTensor {
  readonly shape: Shape;
  readonly ptr: number;
  /** The address of its gradient; 0 if it is not needed. */
  readonly gradPtr: number;
  /** For an input that is not stored until backward: recomputes a sample and returns its address,
   * valid until the next call. */
  readonly sampleAt?: ((sample: number) => number) | undefined;
  /** The same to a place of the caller's choice. */
  readonly derive?: ((sample: number, toPtr: number) => void) | undefined;
}

/** The addresses that a layer uses, resolved once. */
export interface Binding extends WorkspaceSize {
  /** The layer's place in the model, for messages: `3.batchNorm`. */
  readonly path: string;
  /** A number unique to this layer; keys the random numbers. */
  readonly index: number;
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
  readonly step: StepState;
  /** Index of this worker's first grain among all. */
  readonly firstGrain: number;
  readonly seed: number;
  /** Weight of a sample in the statistics that evaluation normalizes it by; default 0. */
  readonly evalWeight?: number;
  readonly input: BoundTensor;
  readonly output: BoundTensor;
  /** Whether a relu is part of the layer, as its kind's `fusesRelu` or `fusesUntrained` allows;
   * default false. */
  readonly isRelu?: boolean;
  /** The tensor to add to the output, as its kind's `fusesAdd` or `fusesUntrained` allows; default
   * nothing. */
  readonly addend?: NormAddend | undefined;
  parameterPtr(name: string): number;
  /** The sink for the gradients of a parameter; undefined if it is frozen and needs none. */
  gradient(name: string): GradientSink | undefined;
  bufferPtr(name: string): number;
  workspacePtr(name: string): number;
  reduction(name: string): BoundReduction;
}

export interface BoundLayer {
  /** Reads the input, writes the output. */
  forward(): void;
  /** Reads the output's gradient; writes the input's gradient, unless its gradPtr is 0, and the
   * gradients of the parameters that train. Not called if neither is needed. */
  backward(): void;
  /** Recomputes the output of one sample at another address, between the layer's forward and
   * backward. For kinds that have `derivesOutput`. */
  derive?(sample: number, toPtr: number): void;
  /** Updates the running statistics. Called once per step, on one worker, after the barrier of the
   * gradients. */
  updateBuffers?(): void;
  /** The training passes, cut at their exchanges; undefined for layers without exchanges. `forward`
   * and `backward` are called if these are empty, and in evaluation. */
  readonly exchanging?: ExchangingPasses | undefined;
}

/** A weight seen as a matrix: all axes but the last, and the last. */
export interface WeightMatrix {
  readonly fanIn: number;
  readonly outputs: number;
  /** The output that an element belongs to, by its index; absent if outputs are the last axis. */
  outputOf?(element: number): number;
}

/** A mean or variance that a layer computes, which needs at least two values. */
export interface StatisticsDeclaration {
  /** The unit that has one of them, in words: `channel`. */
  readonly per: string;
  /** The number of values that each sample contributes, or the total if samples do not
   * contribute. */
  readonly values: number;
  /** The number of replicas that share one; absent if each sample has its own, or if samples do not
   * contribute. */
  readonly groupReplicas?: number;
  /** Whether evaluation computes it again, as training does, instead of using a running one. */
  readonly inEvaluation?: boolean;
  /** What to use instead of the layer or of one of its options. */
  readonly cure: string;
}

export interface LayerKind<Spec> {
  readonly kind: string;
  /** Returns the output shape, or throws a UsageError that names the layer and both shapes. */
  outputShape(spec: Spec, input: Shape, path: string): Shape;
  /** The input shape that the layer expects, with NaN for unknown sizes. Absent if it takes any. */
  expectedInput?(spec: Spec): Shape;
  /** The parameters that it trains; absent if it has none. */
  parameters?(spec: Spec, input: Shape): readonly ParameterDeclaration[];
  /** The tensors that training writes and evaluation reads; absent if there are none. */
  buffers?(spec: Spec, input: Shape): readonly BufferDeclaration[];
  /** The other memory that it needs; absent if none. */
  workspace?(spec: Spec, input: Shape, size: WorkspaceSize): readonly WorkspaceDeclaration[];
  /** Whether each replica's samples have to be on one worker, in one grain, because the layer
   * divides them further or hands them to code that may do anything with them. Default false. */
  needsWholeReplicas?(spec: Spec): boolean;
  /** The exchanges between workers that the layer takes part in. */
  reductions?(spec: Spec, input: Shape): readonly ReductionDeclaration[];
  /** Whether the output of a sample may depend on the other samples of its batch, also in
   * evaluation, beyond the declared statistics; default false. */
  readonly dependsOnBatch?: boolean;
  /** The traits of a layer that only normalizes, for tools. */
  readonly norm?: PureNormTraits<Spec>;
  /** The traits of a layer that normalizes among other things, for tools. */
  readonly innerNorm?: NormTraits<Spec>;
  /** Multiply-adds per sample, for layers that are products with their weights. The cost of all
   * others is what they read and write. */
  multiplyAdds?(spec: Spec, input: Shape, output: Shape): number;
  /** The weight as a matrix, for layers that are products with a weight, so that a map of each
   * output can be folded into it. */
  weightMatrix?(spec: Spec): WeightMatrix;
  /** The reduction of moments that the diagnostics use to compare shards with their groups. */
  diagnosed?(
    spec: Spec,
  ): { readonly reduction: string; readonly channels: number; readonly eps: number } | undefined;
  /** The statistics that it computes of its input or its weights. */
  statistics?(spec: Spec, input: Shape): readonly StatisticsDeclaration[];
  /** Whether the output is the input under another shape, so that both share their memory; default
   * false. */
  readonly isAlias?: boolean;
  /** PyTorch's order of the output values; absent if it is that of the input, or follows from the
   * number of axes. */
  readonly torchOrder?: TorchOrder;
  /** Which of its activations the backward pass reads. The memory of the others is reused. */
  readonly keeps: { readonly input: boolean; readonly output: boolean };
  /** Whether the layer can recompute its output in backward from its input and what it keeps
   * (`BoundLayer.derive`); default false. */
  derivesOutput?(spec: Spec): boolean;
  /** Whether backward reads the input sample by sample, each only once or twice, with
   * `BoundTensor.sampleAt` if present; default false. */
  readsBySample?(spec: Spec, input: Shape): boolean;
  /** Whether each element of the input gradient depends only on the elements in the same place of
   * the output gradient and of the kept activations, so that it can overwrite one of them; default
   * false. */
  readonly gradientInPlace?: boolean;
  /** How the layer includes a relu that directly follows it: `again` recomputes the output in
   * backward, `kept` reads it. If absent or `no`, the relu remains a separate layer. */
  fusesRelu?(spec: Spec): 'no' | 'again' | 'kept';
  /** Whether the layer can add another tensor, and apply the relu after that, as it writes its
   * output; default false. Its backward pass must not read the output. */
  fusesAdd?(spec: Spec): boolean;
  /** Whether the layer can do both in a model that does not train, regardless of the two above;
   * default false. */
  fusesUntrained?(spec: Spec, input: Shape): boolean;
  bind(spec: Spec, binding: Binding): BoundLayer;
}
