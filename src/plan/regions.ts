// The regions of a run as objects, which plan and workers pass to each other instead of names. Each
// is placed once, in one of the functions below. Layers, reductions, diagnostics and the profile
// place theirs in their own files.

import type { InputType } from '../data/dataset.ts';
import { targetSize } from '../data/task.ts';
import type { LayoutBuilder, Region } from '../memory/layout.ts';
import { countRates, hasTrust, keptOf } from '../optim/bindOptimizer.ts';
import { EPOCH_LENGTH, GRAIN_SUMS, publishedLength } from '../reduce/epochSums.ts';
import { countTemporaries, levelsAcross } from '../reduce/folds.ts';
import type { GrainCut, GrainPlan } from '../reduce/grains.ts';
import { type Span, treeDepth } from '../reduce/tree.ts';
import { controlWordCount } from '../sync/words.ts';
import { outputSizeOf, type RunConfig } from './config.ts';
import { countHeads } from './heads.ts';
import {
  type MixRegions,
  type OutputLossRegions,
  placeMix,
  placeOutputLosses,
  type RegionOwner,
} from './lossPlan.ts';
import { BLOCK_LENGTH, type ParameterPlan } from './parameters.ts';

/** The regions that workers agree by, and those that the main thread reads while they run. */
export interface ControlRegions {
  readonly words: Region<'i32'>;
  readonly epochSums: Region<'f64'>;
  readonly epochPublished: Region<'f64'>;
  readonly grainSums: Region<'f64'>;
  /** {@link VOTE_STRIDE} for each rank of all processes. */
  readonly votes: Region<'i32'>;
}

/** The regions of the data. Samples are outside the arena. */
export interface DataRegions {
  readonly normalization: Region<'f32'>;
  /** The order of the epoch. */
  readonly order: Region<'i32'>;
}

export interface InferenceRegions {
  /** Loss and correctness of each sample that is evaluated. */
  readonly evaluated: Region<'f64'>;
  /** Losses of each sample that is evaluated, one for each head; undefined without heads. */
  readonly headLosses: Region<'f64'> | undefined;
  readonly inputs: Region<InputType>;
  readonly outputs: Region<'f32'>;
  /** The outputs of each head. */
  readonly headOutputs: readonly Region<'f32'>[];
}

export interface ParameterRegions {
  readonly values: Region<'f32'>;
  readonly gradients: Region<'f32'>;
  /** The tensors kept for each parameter. If the weights are averaged, the last one is the
   * average. */
  readonly optimizerState: readonly Region<'f32'>[];
  readonly buffers: Region<'f64'>;
  /** The sum of squared gradients of each block. */
  readonly squares: Region<'f64'>;
  /** {@link TRUST_SUMS} for each block; undefined if the optimizer does not compute norms of
   * tensors. */
  readonly trustSums: Region<'f64'> | undefined;
}

/** A subtree of the tree over grains that a worker folds and publishes, with the gradients of all
 * parameters in it: float32 and float64. */
export interface GradientNode extends Span {
  readonly narrow: Region<'f32'>;
  readonly wide: Region<'f64'>;
}

export interface WorkerRegions {
  /** The sample being loaded. */
  readonly staging: Region<InputType>;
  readonly activations: Region<'f32'>;
  /** Levels of the stack of partial gradients. */
  readonly partials: PartialRegions;
  /** Partial gradients that wait from one micro-batch for the next, of all parameters; undefined if
   * none do. */
  readonly waiting: PartialRegions | undefined;
  /** Temporaries for blocks of gradients on the way to the root. */
  readonly temporaries: Region<'f64'>;
  readonly rates: Region<'f64'>;
}

/** Partial gradients of both types, by level. */
export interface PartialRegions {
  readonly narrow: Region<'f32'>;
  readonly wide: Region<'f64'>;
}

/** The regions that belong to a micro-batch besides activations. */
export interface MicroBatchRegions {
  readonly targets: Region<'i32' | 'f32'>;
  readonly mix: MixRegions;
  /** The inputs and outputs of the losses besides outputs and targets: for the main output, then
   * for each head. */
  readonly losses: readonly OutputLossRegions[];
}

/** The regions that all workers share. */
export interface RunRegions {
  readonly control: ControlRegions;
  readonly data: DataRegions;
  readonly inference: InferenceRegions;
  readonly parameters: ParameterRegions;
}

/** The sums of a block from which norms of its tensor are made. */
export const TRUST_SUMS = 2;
/** Each worker's votes have their own cache line. */
export const VOTE_STRIDE = 32;
const BYTE_VALUES = 256;

export function placeControl(
  builder: LayoutBuilder,
  config: RunConfig,
  { cut, ranks }: GrainPlan,
): ControlRegions {
  const heads = countHeads(config);
  const ofRankZero = { type: 'f64', writer: 'rank 0' } as const;
  return {
    epochSums: builder.add({ name: 'epoch.sums', shape: [EPOCH_LENGTH + heads], ...ofRankZero }),
    epochPublished: builder.add({
      name: 'epoch.published',
      shape: [publishedLength(EPOCH_LENGTH + heads)],
      ...ofRankZero,
    }),
    grainSums: builder.add({
      name: 'grain.sums',
      type: 'f64',
      shape: [cut.count, GRAIN_SUMS + heads],
      writer: 'the rank of the grain',
    }),
    words: builder.add({
      name: 'control',
      type: 'i32',
      shape: [controlWordCount(config.workers)],
      writer: 'each rank its own lines',
    }),
    votes: builder.add({
      name: 'finite.votes',
      type: 'i32',
      shape: [ranks.length, VOTE_STRIDE],
      writer: 'each rank',
    }),
  };
}

export function placeData(builder: LayoutBuilder, { data }: RunConfig): DataRegions {
  const { inputType, countTrain, mean } = data;
  const channels = mean.length;
  const length = inputType === 'u8' ? BYTE_VALUES * channels : 2 * channels;
  return {
    normalization: builder.add({
      name: 'data.normalization',
      type: 'f32',
      shape: [length],
      writer: 'main',
    }),
    order: builder.add({ name: 'data.order', type: 'i32', shape: [countTrain], writer: 'rank 0' }),
  };
}

export function placeInference(builder: LayoutBuilder, config: RunConfig): InferenceRegions {
  const { data, globalBatch, heads = [] } = config;
  const { inputShape, inputType, task, countTrain, countTest, countValidation = 0 } = data;
  const writer = 'the rank of the sample';
  const samples = Math.max(countTrain, countTest, countValidation, globalBatch);
  const placeOutputs = (name: string) =>
    builder.add({ name, type: 'f32', shape: [globalBatch, outputSizeOf(task)], writer });
  return {
    evaluated: builder.add({
      name: 'evaluation.samples',
      type: 'f64',
      shape: [samples, 2],
      writer,
    }),
    headLosses:
      heads.length > 0
        ? builder.add({
            name: 'evaluation.heads',
            type: 'f64',
            shape: [samples, heads.length],
            writer,
          })
        : undefined,
    inputs: builder.add({
      name: 'predict.inputs',
      type: inputType,
      shape: [globalBatch, ...inputShape],
      writer: 'main',
    }),
    outputs: placeOutputs('predict.outputs'),
    headOutputs: heads.map(({ name }) => placeOutputs(`predict.outputs ${name}`)),
  };
}

export function placeParameters(
  builder: LayoutBuilder,
  config: RunConfig,
  parameters: ParameterPlan,
): ParameterRegions {
  const place = (name: string, length: number): Region<'f32'> =>
    builder.add({ name, type: 'f32', shape: [length], writer: 'owner of the block' });
  const { trainedLength } = parameters;
  return {
    values: place('parameters', parameters.length),
    gradients: place('gradients', trainedLength),
    optimizerState: keptOf(config).map((kept) => place(`optimizer.state ${kept}`, trainedLength)),
    buffers: builder.add({
      name: 'buffers',
      type: 'f64',
      shape: [parameters.buffersLength],
      writer: 'owner of the layer',
    }),
    squares: builder.add({
      name: 'gradients.squares',
      type: 'f64',
      shape: [parameters.blocks.length],
      writer: 'owner of the block',
    }),
    trustSums: hasTrust(config.optimizer)
      ? builder.add({
          name: 'optimizer.sums',
          type: 'f64',
          shape: [parameters.blocks.length, TRUST_SUMS],
          writer: 'owner of the block',
        })
      : undefined,
  };
}

export function placeNode(
  builder: LayoutBuilder,
  { nodeLengths }: ParameterPlan,
  { lo, hi }: Span,
): GradientNode {
  const name = `gradients.node ${lo}..${hi}`;
  const writer = `the rank of grain ${lo}`;
  const { narrow, wide } = nodeLengths;
  return {
    lo,
    hi,
    narrow: builder.add({ name: `${name}.f32`, type: 'f32', shape: [narrow], writer }),
    wide: builder.add({ name: `${name}.f64`, type: 'f64', shape: [wide], writer }),
  };
}

/** The numbers that decide the sizes of a worker's regions. */
export interface WorkerSizes {
  readonly rank: number;
  readonly nodes: readonly Span[];
  /** The samples of each micro-batch. */
  readonly microBatches: readonly Span[];
}

export function placeActivations(
  builder: LayoutBuilder,
  rank: number,
  sizeBytes: number,
): Region<'f32'> {
  const writer = `rank ${rank}`;
  const shape = [sizeBytes / 4];
  return builder.add({ name: `rank ${rank}.activations`, type: 'f32', shape, writer });
}

export function placeWorker(
  builder: LayoutBuilder,
  config: RunConfig,
  { leafLengths, nodeLengths, rules }: ParameterPlan,
  { count }: GrainCut,
  { rank, nodes, microBatches }: WorkerSizes,
): Omit<WorkerRegions, 'activations'> {
  const writer = `rank ${rank}`;
  const name = `rank ${rank}`;
  // The first level of a stack is a node.
  const depth = Math.max(...nodes.map(({ lo, hi }) => treeDepth(hi - lo))) - 1;
  const borders = microBatches.map(({ lo }) => lo);
  const waiting =
    Math.max(...nodes.flatMap((node) => borders.map((border) => levelsAcross(node, border)))) - 1;
  const placePartials = (
    what: string,
    levels: number,
    { narrow, wide }: ParameterPlan['nodeLengths'],
  ): PartialRegions => ({
    narrow: builder.add({
      name: `${name}.${what}.f32`,
      type: 'f32',
      shape: [levels, narrow],
      writer,
    }),
    wide: builder.add({
      name: `${name}.${what}.f64`,
      type: 'f64',
      shape: [levels, wide],
      writer,
    }),
  });
  const { inputShape, inputType } = config.data;
  return {
    staging: builder.add({ name: `${name}.sample`, type: inputType, shape: inputShape, writer }),
    partials: placePartials('partials', depth - waiting, leafLengths),
    waiting: waiting > 0 ? placePartials('partials that wait', waiting, nodeLengths) : undefined,
    temporaries: builder.add({
      name: `${name}.fold`,
      type: 'f64',
      shape: [countTemporaries(count), BLOCK_LENGTH],
      writer,
    }),
    rates: builder.add({
      name: `${name}.rates`,
      type: 'f64',
      // The rates of each rule; the last one is that of the average.
      shape: [rules.length * countRates(config.optimizer) + 1],
      writer,
    }),
  };
}

/** Places the regions of a micro-batch of at most `capacity` samples; `name` is the worker's name
 * if it has only one micro-batch. */
export function placeMicroBatch(
  builder: LayoutBuilder,
  config: RunConfig,
  capacity: number,
  owner: RegionOwner,
): MicroBatchRegions {
  const { name, writer } = owner;
  const { task } = config.data;
  return {
    targets: builder.add({
      name: `${name}.targets`,
      type: task.kind === 'regression' ? 'f32' : 'i32',
      shape: [capacity, targetSize(task)],
      writer,
    }),
    mix: placeMix(builder, config, capacity, owner),
    losses: placeOutputLosses(builder, config, capacity, owner),
  };
}
