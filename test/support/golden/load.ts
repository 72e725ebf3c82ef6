// Reads the golden numbers that make.py has written: what PyTorch computes in float64, rounded to
// float32, in our layout. It trusts the files, which are ours; it compares nothing.

import { readFileSync } from 'node:fs';

/** Row-major values, channels last. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Tensors by name: `weight`, `runningMean`; in training by path, `<layer index>.<name>`. */
export type GoldenTensors = Readonly<Record<string, GoldenTensor>>;

/** A layer or loss spec as plain data, in our field names. */
export interface GoldenSpec {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** One layer, forward and backward. */
export interface GoldenCase {
  readonly name: string;
  readonly spec: GoldenSpec;
  readonly training: boolean;
  /** Batches that the running statistics had seen; only where `momentum` is null. */
  readonly batchesTrackedBefore?: number;
  readonly input: GoldenTensor;
  readonly parameters: GoldenTensors;
  readonly buffersBefore: GoldenTensors;
  readonly output: GoldenTensor;
  readonly outputGradient: GoldenTensor;
  readonly inputGradient: GoldenTensor;
  /** Gradients of the parameters, by the same names. */
  readonly gradients: GoldenTensors;
  /** The buffers after the forward pass. */
  readonly buffers: GoldenTensors;
}

/** One loss: crossEntropy has `labels`, meanSquaredError has `targets`. */
export interface GoldenLoss {
  readonly name: string;
  readonly spec: GoldenSpec;
  /** Logits or predictions, [N, F]. */
  readonly input: GoldenTensor;
  readonly labels?: readonly number[];
  readonly targets?: GoldenTensor;
  /** Mean over the samples; meanSquaredError: over the features as well. */
  readonly loss: number;
  readonly inputGradient: GoldenTensor;
}

/** What `layers.json` holds. */
export interface GoldenLayers {
  /** PyTorch's version. */
  readonly torch: string;
  readonly seed: number;
  readonly cases: readonly GoldenCase[];
  readonly losses: readonly GoldenLoss[];
}

/** An optimizer as plain data: our options, all given. */
export interface GoldenOptimizer {
  readonly kind: 'sgd' | 'adam' | 'adamw' | 'rmsprop' | 'lars' | 'lamb' | 'lion';
  readonly lr: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
  readonly alpha?: number;
  readonly centered?: boolean;
  readonly weightDecay: number;
  /** Which parameters decay: all, or only the weights of conv and linear. */
  readonly decays: 'all' | 'weight';
  readonly trustCoefficient?: number;
  /** Of LARS and LAMB: which parameters' rates are adapted, likewise. */
  readonly adapts?: 'all' | 'weight';
}

/** Twenty steps with one optimizer, from the shared start. */
export interface GoldenRun {
  readonly name: string;
  readonly optimizer: GoldenOptimizer;
  /** The largest gradient norm that is let through; null for no clipping. */
  readonly clipNorm: number | null;
  /** The largest element of a gradient that is let through, before the norm is taken. */
  readonly clipValue: number | null;
  /** One for each epoch: the mean over its samples, each before the update of its step. */
  readonly losses: readonly number[];
  /** One for each step, before clipping. */
  readonly gradientNorms: readonly number[];
  /** After the last step. */
  readonly parameters: GoldenTensors;
  readonly buffers: GoldenTensors;
  /** The largest absolute differences of PyTorch in float32 from these float64 results. */
  readonly float32Differences: {
    readonly losses: number;
    readonly parameters: number;
    readonly buffers: number;
  };
}

/** What `training.json` holds: one start, the data, ten epochs of two steps with each optimizer. */
export interface GoldenTraining {
  readonly torch: string;
  readonly seed: number;
  readonly layers: readonly GoldenSpec[];
  readonly input: GoldenTensor;
  readonly labels: readonly number[];
  /** Samples of the first step of an epoch; the second one has those that are left. */
  readonly batch: number;
  readonly initialParameters: GoldenTensors;
  readonly initialBuffers: GoldenTensors;
  readonly runs: readonly GoldenRun[];
}

/** A recurrent net trained by the shared optimizer. */
export interface GoldenSequence {
  readonly name: string;
  readonly layers: readonly GoldenSpec[];
  readonly initialParameters: GoldenTensors;
  /** One for each epoch, the mean over its samples, each before the update of its step. */
  readonly losses: readonly number[];
  /** After the last step. */
  readonly parameters: GoldenTensors;
  readonly buffers: GoldenTensors;
}

/** Twenty steps of the net of `training.json`, with frozen parameters, groups, switched norms. */
export interface GoldenFineTuning {
  readonly name: string;
  /** Paths, `<layer index>.<name>`. */
  readonly frozen: readonly string[];
  readonly groups: readonly {
    readonly paths: readonly string[];
    readonly lrScale: number | null;
    readonly weightDecay: number | null;
  }[];
  /** By layer index: whose statistics normalize, and whether the running ones move. */
  readonly norms: Readonly<Record<string, readonly ['batch' | 'running', boolean]>>;
  readonly optimizer: GoldenOptimizer;
  /** One for each step, before its update. */
  readonly losses: readonly number[];
  readonly parameters: GoldenTensors;
  readonly buffers: GoldenTensors;
}

/** What `sequences.json` holds. */
export interface GoldenSequences {
  readonly input: GoldenTensor;
  readonly labels: readonly number[];
  /** Samples of a step; the last one of an epoch has those that are left. */
  readonly batch: number;
  readonly optimizer: Readonly<Record<string, unknown>>;
  readonly runs: readonly GoldenSequence[];
}

/** What `fineTuning.json` holds; layers, samples and parameters are those of `training.json`. */
export interface GoldenFineTunings {
  readonly steps: number;
  readonly globalBatch: number;
  readonly initialBuffers: GoldenTensors;
  readonly runs: readonly GoldenFineTuning[];
}

/** What `schedules.json` holds: the rates of PyTorch's schedulers. */
export interface GoldenSchedules {
  readonly torch: string;
  readonly baseLr: number;
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly runs: readonly {
    readonly name: string;
    /** Our options, with the kind. */
    readonly schedule: GoldenSpec;
    /** One for each step. */
    readonly rates: readonly number[];
  }[];
}

/** Twenty steps with one loss, over batches in order, the last one of an epoch smaller. */
export interface GoldenLossRun {
  readonly name: string;
  readonly spec: GoldenSpec;
  /** Which of the shared targets it has. */
  readonly targets:
    | 'labels'
    | 'ignoredLabels'
    | 'masks'
    | 'ignoredMasks'
    | 'numbers'
    | 'shares'
    | 'binary';
  readonly hasWeights: boolean;
  /** One for each step, before its update. */
  readonly losses: readonly number[];
  /** After the last step. */
  readonly hidden: GoldenTensor;
  readonly output: GoldenTensor;
}

/** What `losses.json` holds: a net tanh(inputs hidden) output, its start, data, and a run for each
 * loss by sgd. */
export interface GoldenLossRuns {
  readonly lr: number;
  readonly momentum: number;
  readonly steps: number;
  readonly batch: number;
  readonly inputs: GoldenTensor;
  readonly labels: readonly number[];
  /** -100 where there is no class. */
  readonly ignoredLabels: readonly number[];
  /** [N, H, W, features]: the inputs where targets are masks, of each pixel. */
  readonly pixels: GoldenTensor;
  /** [N, H, W]. */
  readonly masks: readonly number[];
  readonly ignoredMasks: readonly number[];
  readonly numbers: GoldenTensor;
  readonly shares: GoldenTensor;
  readonly binary: GoldenTensor;
  readonly sampleWeights: GoldenTensor;
  readonly hidden: GoldenTensor;
  readonly output: GoldenTensor;
  readonly runs: readonly GoldenLossRun[];
}

/** What `interop.json` holds: nets as PyTorch has them. */
export interface GoldenInterop {
  readonly runs: readonly {
    readonly name: string;
    /** Channels last, as are the inputs. */
    readonly inputShape: readonly number[];
    /** PyTorch's names and layouts; counts as floats. */
    readonly tensors: readonly (GoldenTensor & { readonly name: string })[];
    readonly input: readonly number[];
    readonly output: readonly number[];
  }[];
}

/** Nets in PyTorch's names and layouts. */
export function loadGoldenInterop(): GoldenInterop {
  return read('interop.json') as GoldenInterop;
}

/** What `doubleBackward.json` holds: batch normalization of rows of channels. */
export interface GoldenDoubleBackwards {
  readonly eps: number;
  readonly runs: readonly {
    readonly name: string;
    readonly inputs: GoldenTensors;
    /** Gradients of the loss by what backward returns, as doubleBackward is given them. */
    readonly given: GoldenTensors;
    readonly expected: GoldenTensors;
  }[];
}

/** The cases of each layer and loss. */
export function loadGoldenLayers(): GoldenLayers {
  return read('layers.json') as GoldenLayers;
}

/** The training runs. */
export function loadGoldenTraining(): GoldenTraining {
  return read('training.json') as GoldenTraining;
}

/** The training runs of recurrent nets. */
export function loadGoldenSequences(): GoldenSequences {
  return read('sequences.json') as GoldenSequences;
}

/** The runs of fine-tuning. */
export function loadGoldenFineTunings(): GoldenFineTunings {
  return read('fineTuning.json') as GoldenFineTunings;
}

/** The rates of schedules. */
export function loadGoldenSchedules(): GoldenSchedules {
  return read('schedules.json') as GoldenSchedules;
}

/** The runs with each loss. */
export function loadGoldenLossRuns(): GoldenLossRuns {
  return read('losses.json') as GoldenLossRuns;
}

/** The gradients of gradients. */
export function loadGoldenDoubleBackwards(): GoldenDoubleBackwards {
  return read('doubleBackward.json') as GoldenDoubleBackwards;
}

function read(fileName: string): unknown {
  return JSON.parse(readFileSync(new URL(fileName, import.meta.url), 'utf8'), toFloat32);
}

/** Makes each `data` a Float32Array, which gives the written float32 values back exactly. */
function toFloat32(key: string, value: unknown): unknown {
  return key === 'data' ? new Float32Array(value as number[]) : value;
}
