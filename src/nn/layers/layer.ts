// What a layer is: an object that satisfies LayerKind. It declares what it needs, so that
// everything is placed before the first step, and binds to addresses once. Composite layers
// (sequential, residual) are resolved by graph.ts and never reach this interface.

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

/** What the current step works on. One per worker, filled anew each step, never reallocated. */
export interface StepState extends GrainState {
  training: boolean;
  /** Optimizer steps done before this one; keys the random numbers. */
  step: number;
  /** Whether diagnostics of this step are kept. Passes that train nothing keep none. */
  isSnapshot: boolean;
}

/** A trained tensor. */
export interface ParameterDeclaration {
  readonly name: string;
  readonly shape: Shape;
  readonly role: ParameterRole;
  readonly init: Initializer;
  /** What PyTorch calls it and how it lays it out; absent where that is the same. */
  readonly torch?: TorchForm;
}

/** A float64 tensor that training writes and evaluation reads: running statistics. */
export interface BufferDeclaration {
  readonly name: string;
  readonly shape: Shape;
  readonly initial: number;
  /** What PyTorch calls it and how it lays it out; absent where that is the same. */
  readonly torch?: TorchForm;
}

/** How long a layer needs what it leaves in its workspace. `pass`: no longer than a pass, or than
 * a part of one that exchanges, so that all layers share this memory. `run`: it is the same for all
 * samples, such as zero borders or what is made of weights alone. `samples`: from forward to
 * backward of the same samples. */
export type WorkspaceLifetime = 'pass' | 'run' | 'samples';

/** Memory of one worker for one layer. */
export interface WorkspaceDeclaration {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
  /** Default `samples`. */
  readonly lifetime?: WorkspaceLifetime;
}

/** What of a worker decides how much memory a layer needs. */
export interface WorkspaceSize {
  /** The most samples in any step. */
  readonly capacity: number;
  readonly countGrains: number;
  /** How many sync groups of a reduction of so many replicas have grains here. */
  countGroups(groupReplicas: number): number;
}

/** An activation: `count` samples of `shape`, channels last, float32. */
export interface BoundTensor {
  readonly shape: Shape;
  readonly ptr: number;
  /** Where its gradient lies; 0 when it is not needed. */
  readonly gradPtr: number;
  /** Of an input that is not stored until backward: writes a sample of it anew and returns where,
   * until the next call. */
  readonly sampleAt?: ((sample: number) => number) | undefined;
  /** The same to a place of the caller's choice. */
  readonly derive?: ((sample: number, toPtr: number) => void) | undefined;
}

/** The addresses that a layer works with, resolved once. */
export interface Binding extends WorkspaceSize {
  /** The layer's place in the model, for messages: `3.batchNorm`. */
  readonly path: string;
  /** A number that is this layer's alone; keys the random numbers. */
  readonly index: number;
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
  readonly step: StepState;
  /** Index of this worker's first grain among all. */
  readonly firstGrain: number;
  readonly seed: number;
  /** Weight of a sample in the statistics that it is evaluated by; default 0. */
  readonly evalWeight?: number;
  readonly input: BoundTensor;
  readonly output: BoundTensor;
  /** Whether a relu is to be part of the layer, as its kind's `fusesRelu` or `fusesUntrained`
   * allows; default false. */
  readonly isRelu?: boolean;
  /** What is to be added to the output, as its kind's `fusesAdd` or `fusesUntrained` allows;
   * default nothing. */
  readonly addend?: NormAddend | undefined;
  parameterPtr(name: string): number;
  /** Takes the gradients of a parameter; undefined where it is frozen, so that none is computed. */
  gradient(name: string): GradientSink | undefined;
  bufferPtr(name: string): number;
  workspacePtr(name: string): number;
  reduction(name: string): BoundReduction;
}

export interface BoundLayer {
  /** Reads the input, writes the output. */
  forward(): void;
  /** Reads the output's gradient; writes the input's gradient, unless its gradPtr is 0, and those
   * of the parameters that train. Not called where nothing needs either. */
  backward(): void;
  /** Writes the output of one sample anew, to another place, between forward and its own backward.
   * Of kinds that have `derivesOutput`. */
  derive?(sample: number, toPtr: number): void;
  /** Once per step, after the gradients' barrier, on one worker: running statistics. */
  updateBuffers?(): void;
  /** The passes of training, cut where they exchange; undefined for layers that do not. `forward`
   * and `backward` are called where they are empty, and in evaluation. */
  readonly exchanging?: ExchangingPasses | undefined;
}

/** A weight seen as a matrix: all axes but the last, and the last. */
export interface WeightMatrix {
  readonly fanIn: number;
  readonly outputs: number;
  /** Which output an element belongs to, by its index; absent where outputs are the last axis. */
  outputOf?(element: number): number;
}

/** A mean or variance that a layer takes, which needs two values to say anything. */
export interface StatisticsDeclaration {
  /** What there is one of them for, for people: `channel`. */
  readonly per: string;
  /** How many values a sample gives to each; all that there are where no sample is looked at. */
  readonly values: number;
  /** How many replicas share one; absent where each sample has its own, or needs none. */
  readonly groupReplicas?: number;
  /** Whether evaluation takes it anew, as training does, instead of a running one. */
  readonly inEvaluation?: boolean;
  /** What to take instead of the layer, or of an option of it. */
  readonly cure: string;
}

export interface LayerKind<Spec> {
  readonly kind: string;
  /** The shape that comes out, or a UsageError that names the layer and both shapes. */
  outputShape(spec: Spec, input: Shape, path: string): Shape;
  /** The input that the layer asks for, unknown sizes as NaN. Absent where it takes any. */
  expectedInput?(spec: Spec): Shape;
  /** What it trains; absent where that is nothing. */
  parameters?(spec: Spec, input: Shape): readonly ParameterDeclaration[];
  /** What training writes and evaluation reads; absent where that is nothing. */
  buffers?(spec: Spec, input: Shape): readonly BufferDeclaration[];
  /** The memory that it needs besides; absent where that is none. */
  workspace?(spec: Spec, input: Shape, size: WorkspaceSize): readonly WorkspaceDeclaration[];
  /** Whether each replica's samples have to be on one worker, in one grain: because they are cut
   * further than replicas, or seen by code that may do anything with them. Default false. */
  needsWholeReplicas?(spec: Spec): boolean;
  /** The exchanges between workers that the layer takes part in. */
  reductions?(spec: Spec, input: Shape): readonly ReductionDeclaration[];
  /** Whether what comes out for a sample may depend on the others of its batch, in evaluation, too,
   * beyond its declared statistics; default false. */
  readonly dependsOnBatch?: boolean;
  /** What tools ask of a layer that normalizes and does nothing else. */
  readonly norm?: PureNormTraits<Spec>;
  /** What tools ask of a layer that normalizes on the way. */
  readonly innerNorm?: NormTraits<Spec>;
  /** Multiply-adds of a sample, of layers that are products with their weights; all others cost
   * what they read and write. */
  multiplyAdds?(spec: Spec, input: Shape, output: Shape): number;
  /** Of layers that are products with a weight: that as a matrix, so that a map of each output can
   * be folded into it. */
  weightMatrix?(spec: Spec): WeightMatrix;
  /** The reduction of moments whose shards are compared with their groups in the diagnostics. */
  diagnosed?(
    spec: Spec,
  ): { readonly reduction: string; readonly channels: number; readonly eps: number } | undefined;
  /** The statistics that it takes of its input or its weights. */
  statistics?(spec: Spec, input: Shape): readonly StatisticsDeclaration[];
  /** Whether the output is the input under another shape, so that both share their memory; default
   * false. */
  readonly isAlias?: boolean;
  /** In which order PyTorch has what comes out; absent where that is as what came in, or follows
   * from the number of axes. */
  readonly torchOrder?: TorchOrder;
  /** Which of its activations the backward pass reads; the others' memory is used again. */
  readonly keeps: { readonly input: boolean; readonly output: boolean };
  /** Whether the layer can write its output anew in backward, from its input and what it keeps
   * (`BoundLayer.derive`); default false. */
  derivesOutput?(spec: Spec): boolean;
  /** Whether backward reads the input one sample after the other, each but once or twice, by
   * `BoundTensor.sampleAt` where there is one; default false. */
  readsBySample?(spec: Spec, input: Shape): boolean;
  /** Whether each element of the input's gradient follows from those in the same place of the
   * output's gradient and of what is kept, so that it can be written over one of them; default
   * false. */
  readonly gradientInPlace?: boolean;
  /** How the layer does a relu that directly follows it, too: `again` computes the output anew in
   * backward, `kept` reads it. Absent, or `no`, leaves the relu a layer of its own. */
  fusesRelu?(spec: Spec): 'no' | 'again' | 'kept';
  /** Whether the layer can add another tensor, and do the relu after that, as it writes its output;
   * default false. Its backward pass must not read the output. */
  fusesAdd?(spec: Spec): boolean;
  /** Whether the layer can do both in a model that does not train, whatever the two above say;
   * default false. */
  fusesUntrained?(spec: Spec, input: Shape): boolean;
  bind(spec: Spec, binding: Binding): BoundLayer;
}
