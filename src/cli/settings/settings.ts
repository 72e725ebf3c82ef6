// From the flags of `syncbn train` to a run: data, model, optimizer and other options, with the
// command's defaults.

import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import type { TrainingData } from '../../data/chunked/chunkedDataset.ts';
import type { Dataset } from '../../data/dataset.ts';
import { type DatasetDescription, dataDifference, describeDataset } from '../../data/identity.ts';
import { isShards, SHARDS_ALLOWED } from '../../data/loading/shards.ts';
import { DATA_LAYOUTS } from '../../data/npy/layout.ts';
import { type OpenOptions, openDataset } from '../../data/open.ts';
import { firstTrain, limitTrain } from '../../data/subset.ts';
import { convertNorm } from '../../nn/convert/convertNorm.ts';
import { directConvolutions } from '../../nn/convert/directConvolutions.ts';
import { NORM_TARGETS, type NormRequest } from '../../nn/convert/normRequest.ts';
import { NORM_KINDS } from '../../nn/layers/normTraits.ts';
import type { Stem } from '../../nn/models/blocks.ts';
import {
  isModelName,
  type ModelPurpose,
  modelCard,
  modelsThatTake,
  namedModel,
} from '../../nn/models/models.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { type AllowModules, loadModules } from '../../nn/specs/modules.ts';
import { customModulesOf, type LayerSpec } from '../../nn/specs/spec.ts';
import { type AveragingSpec, ema, swa } from '../../optim/averaging.ts';
import { MAX_GRAINS, MAX_REPLICAS, trainCounts } from '../../plan/config.ts';
import { smallestBatch } from '../../plan/feasible.ts';
import { ON_NON_FINITE } from '../../plan/onNonFinite.ts';
import {
  DEFAULT_REPLICA_BATCH,
  DEFAULT_REPLICAS,
  DEFAULT_SEED,
  type TrainerOptions,
} from '../../runtime/trainerOptions.ts';
import { warn } from '../output/screen.ts';
import { fineTuningFrom } from './fineTuneFlags.ts';
import type { Flags } from './flags.ts';
import { refuseWithout } from './kindFlags.ts';
import { headsFrom, lossFrom, mixturesFrom } from './lossSettings.ts';
import { onnxNet } from './onnxModel.ts';
import { lrScalingFrom, optimizerFrom } from './optimizerFlags.ts';
import { readJson } from './readJson.ts';
import { scheduleFrom } from './scheduleFlags.ts';

export const DEFAULTS = { data: 'mnist', model: 'mnist-cnn', norm: 'sync' } as const;

/** The dataset that the flags ask for. If a checkpoint is resumed, it is read in the same way as
 * before: earlier versions kept float targets unchanged, and limited data to its first samples. */
export async function dataFrom(flags: Flags, saved?: DatasetDescription): Promise<Dataset> {
  const dataset = await wholeDataFrom(flags, saved);
  const limit = flags.integer('limit', 1);
  if (limit === undefined) return dataset;
  const drawn = limitTrain(dataset, limit);
  if (saved === undefined || isDataOf(saved, drawn)) return drawn;
  const first = firstTrain(dataset, limit);
  return isDataOf(saved, first) ? first : drawn;
}

/** Targets that are shares of classes, or yes and no, stay unchanged. */
async function wholeDataFrom(flags: Flags, saved?: DatasetDescription): Promise<Dataset> {
  const asked = openOptionsFrom(flags);
  const open = (standardizeTargets: boolean): Promise<Dataset> =>
    openDataset(flags.text('data') ?? DEFAULTS.data, { ...asked, standardizeTargets });
  if (saved !== undefined) return open(saved.task.kind !== 'regression' || isStandard(saved));
  const loss = lossFrom(flags);
  if (loss?.kind === 'binaryCrossEntropy') return open(false);
  const data = await open(true);
  return loss?.kind === 'crossEntropy' && isStandard(data) ? open(false) : data;
}

/** The flags' options for reading data. */
export function openOptionsFrom(flags: Flags): OpenOptions {
  const classes = flags.integer('classes', 1);
  const testSplit = flags.number('test-split', 0);
  const layout = flags.choice('layout', DATA_LAYOUTS);
  const target = flags.text('target');
  const ignored = flags.text('ignore-columns');
  return {
    ...(classes !== undefined && { classes }),
    ...(testSplit !== undefined && { testSplit }),
    ...(layout !== undefined && { layout }),
    ...(target !== undefined && { target }),
    ...(ignored !== undefined && { ignoreColumns: ignored.split(',').map((name) => name.trim()) }),
    ...(flags.isSet('regression') && { regression: true }),
    onNotice: (notice) => warn(`syncbn: ${notice}`),
  };
}

function isStandard({ task }: Pick<Dataset, 'task'>): boolean {
  return task.kind === 'regression' && task.mean !== undefined;
}

function isDataOf(saved: DatasetDescription, data: Dataset): boolean {
  return dataDifference(describeDataset(data), saved) === undefined;
}

/** A model, and the weights that its run starts from if its file has them. */
export type AskedNet = Pick<TrainerOptions, 'model' | 'weights' | 'strictWeights'>;

/** The options of the run that the flags ask for: with their model, and the weights of its file. */
export async function runOptionsFrom<Data extends TrainingData>(
  flags: Flags,
  data: Data,
): Promise<TrainerOptions<Data>> {
  const { model, ...start } = await netFrom(flags, data);
  return { ...trainerOptionsFrom(flags, data, model), ...start };
}

/** The net that the flags ask for, with its normalizations replaced. */
export async function netFrom(flags: Flags, data: TrainingData): Promise<AskedNet> {
  const { model, ...start } = await bareNetFrom(flags, data);
  if (flags.text('norm') === 'frozen' && !flags.has('weights')) {
    throw new UsageError({
      what: '--norm frozen',
      problem: 'requires --resume or --weights: it freezes the running statistics of a checkpoint',
      hint: '--resume run.ckpt',
    });
  }
  return { ...start, model: normalizedAs(flags, model, data) };
}

/** The model with the normalizations that the flags ask for. A model from a file keeps its own
 * unless flags change them; models by name are synchronized. */
export function normalizedAs(flags: Flags, model: LayerSpec, data: TrainingData): LayerSpec {
  if (/\.(json|onnx)$/i.test(flags.text('model') ?? '') && !flags.has('norm')) {
    refuseWithout(flags, 'group-size', '--norm sync or auto for a model from a file', false);
    refuseWithout(flags, 'num-groups', '--norm group or auto for a model from a file', false);
    return model;
  }
  const replicas = replicasFrom(flags);
  const globalBatch =
    flags.integer('batch', 1) ??
    replicas * (flags.integer('replica-batch', 1) ?? DEFAULT_REPLICA_BATCH);
  const steps = { globalBatch, dropLast: flags.isSet('drop-last') };
  const counts = trainCounts(data.train.count, flags.number('validation-split', 0));
  const replicaBatch = smallestBatch(counts, steps) / replicas;
  const { inputShape } = data;
  return convertNorm(model, { ...normFrom(flags), inputShape, replicas, replicaBatch });
}

/** The normalization that the flags ask for. */
export function normFrom(flags: Flags): NormRequest {
  const to = flags.choice('norm', NORM_TARGETS) ?? DEFAULTS.norm;
  const groupSize = flags.integer('group-size', 1);
  const numGroups = flags.integer('num-groups', 1);
  refuseWithout(flags, 'group-size', '--norm sync or auto', to === 'sync' || to === 'auto');
  refuseWithout(flags, 'num-groups', '--norm group or auto', to === 'group' || to === 'auto');
  const kinds = flags.text('norm-kinds');
  refuseWithout(flags, 'norm-kinds', '--norm', flags.has('norm'));
  return {
    to,
    ...(kinds !== undefined && { kinds: kindsFrom(kinds) }),
    ...(groupSize !== undefined && { groupSize }),
    ...(numGroups !== undefined && { numGroups }),
  };
}

function kindsFrom(text: string): NonNullable<NormRequest['kinds']> {
  const words = text.split(',').map((word) => word.trim());
  if (words.includes('all')) return 'all';
  return words.map((word) => {
    const kind = NORM_KINDS.find((known) => known === word);
    if (kind !== undefined) return kind;
    const hint = nearestWord(word, NORM_KINDS);
    throw new UsageError({
      what: '--norm-kinds',
      given: word,
      allowed: `all, or a list of ${NORM_KINDS.join(', ')}`,
      ...(hint !== undefined && { hint }),
    });
  });
}

function replicasFrom(flags: Flags): number {
  return flags.integer('replicas', 1, MAX_REPLICAS) ?? DEFAULT_REPLICAS;
}

/** The net that the flags name, with its original normalizations and its custom layers loaded:
 * norms that depend on shapes must know the layers that follow. */
export async function bareNetFrom(flags: Flags, data: TrainingData): Promise<AskedNet> {
  const net = await onnxNet(flags, data);
  if (net !== undefined) refuseNamedFlags(flags);
  const named = net?.model ?? namedModelFrom(flags, data);
  await loadModules(customModulesOf(named), allowModulesFrom(flags));
  const model = flags.isSet('direct-convolutions') ? directConvolutions(named) : named;
  if (net === undefined || flags.has('weights')) return { model };
  return { model, weights: net.weights, strictWeights: !flags.isSet('weights-partial') };
}

/** The modules of custom layers that may run code. */
export function allowModulesFrom(flags: Flags): AllowModules | undefined {
  return flags.listOrAll('allow-modules');
}

/** Where a resumed run is computed, and which code may run. */
export function placeFrom(
  flags: Flags,
): Pick<TrainerOptions, 'workers' | 'timeoutMs' | 'allowModules'> {
  const workers = flags.integer('workers', 1);
  const timeoutMs = flags.integer('timeout-ms', 1);
  const allowModules = allowModulesFrom(flags);
  return {
    ...(allowModules !== undefined && { allowModules }),
    ...(workers !== undefined && { workers }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  };
}

/** Flags for models by name only. */
export const SIZE_FLAGS = ['width', 'stem'] as const;
/** These and one more, with their options. */
const NAMED_FLAGS = [
  ...SIZE_FLAGS.map((flag) => [flag, flag] as const),
  ['zero-init-residual', 'zeroInitResidual'],
] as const;

function refuseNamedFlags(flags: Flags): void {
  for (const [flag, option] of NAMED_FLAGS) {
    refuseWithout(flags, flag, `--model ${modelsThatTake(option).join(' or ')}`, false);
  }
}

function namedModelFrom(flags: Flags, data: TrainingData): LayerSpec {
  const name = flags.text('model') ?? DEFAULTS.model;
  if (name.endsWith('.json')) {
    refuseNamedFlags(flags);
    return parseModel(readJson('model', name), `the model in ${name}`);
  }
  const { task, inputShape } = data;
  const ofPixels = isModelName(name) && modelCard(name).of === 'pixel';
  if (task.kind !== (ofPixels ? 'segmentation' : 'classification')) {
    throw new UsageError({
      what: `--model ${name} on ${data.name}`,
      given: task.kind,
      allowed: ofPixels ? 'data with masks' : 'data with classes',
      hint: task.kind === 'segmentation' ? '--model unet' : '--model FILE.json',
    });
  }
  return namedModel(name, { inputShape, classes: task.classes, ...modelOptionsFrom(flags) });
}

/** The flags' options for a model by name. */
export function modelOptionsFrom(
  flags: Flags,
): Pick<ModelPurpose, 'zeroInitResidual' | 'width' | 'stem'> {
  const width = flags.number('width', 0);
  const stem = flags.text('stem') as Stem | undefined;
  return {
    zeroInitResidual: flags.isSet('zero-init-residual'),
    ...(width !== undefined && { width }),
    ...(stem !== undefined && { stem }),
  };
}

function averagingFrom(flags: Flags): AveragingSpec | undefined {
  const decay = flags.number('ema', 0);
  const fromEpoch = flags.integer('swa-from', 1);
  if (decay !== undefined && fromEpoch !== undefined) {
    throw new UsageError({
      what: '--ema and --swa-from',
      problem: 'cannot be combined: a run keeps one average',
    });
  }
  if (decay !== undefined) return ema({ decay });
  return fromEpoch === undefined ? undefined : swa({ fromEpoch });
}

/** The number of parts in which batches are computed. */
export function microBatchesFrom(flags: Flags): Pick<TrainerOptions, 'microBatches'> {
  if (!flags.has('micro-batches')) return {};
  if (flags.text('micro-batches') === 'auto') return { microBatches: 'auto' };
  return { microBatches: flags.integer('micro-batches', 1)! };
}

/** The options of a run of this model. */
export function trainerOptionsFrom<Data extends TrainingData>(
  flags: Flags,
  data: Data,
  model: LayerSpec,
): TrainerOptions<Data> {
  const workers = flags.integer('workers', 1);
  const globalBatch = flags.integer('batch', 1);
  const replicaBatch = flags.integer('replica-batch', 1);
  const grains = flags.integer('grains', 1, MAX_GRAINS);
  const clipNorm = flags.number('clip-norm', 0);
  const clipValue = flags.number('clip-value', 0);
  const lrScaling = lrScalingFrom(flags);
  const timeoutMs = flags.integer('timeout-ms', 1);
  const loss = lossFrom(flags);
  const heads = headsFrom(flags);
  const allowModules = allowModulesFrom(flags);
  const shift = flags.integer('shift', 0);
  const diagnosticsEvery = flags.integer('diagnostics', 0);
  const averaging = averagingFrom(flags);
  const onNonFinite = flags.choice('on-non-finite', ON_NON_FINITE);
  const validationSplit = flags.number('validation-split', 0);
  return {
    data,
    profile: isProfiled(flags),
    model,
    optimizer: optimizerFrom(flags),
    schedule: scheduleFrom(flags),
    replicas: replicasFrom(flags),
    dropLast: flags.isSet('drop-last'),
    ...shardsFrom(flags),
    seed: flags.integer('seed', 0, Number.MAX_SAFE_INTEGER) ?? DEFAULT_SEED,
    mode: flags.isSet('strict') ? 'strict' : 'fast',
    elastic: flags.isSet('elastic'),
    augmentation: {
      flip: flags.isSet('flip'),
      ...(shift !== undefined && { shift }),
      ...mixturesFrom(flags),
    },
    ...fineTuningFrom(flags),
    ...(workers !== undefined && { workers }),
    ...microBatchesFrom(flags),
    ...(globalBatch !== undefined && { globalBatch }),
    ...(replicaBatch !== undefined && { replicaBatch }),
    ...(grains !== undefined && { grains }),
    ...(averaging !== undefined && { averaging }),
    ...(clipNorm !== undefined && { clipNorm }),
    ...(clipValue !== undefined && { clipValue }),
    ...(lrScaling !== undefined && { lrScaling }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(diagnosticsEvery !== undefined && { diagnosticsEvery }),
    ...(onNonFinite !== undefined && { onNonFinite }),
    ...(loss !== undefined && { loss }),
    ...(heads !== undefined && { heads }),
    ...(allowModules !== undefined && { allowModules }),
    ...(validationSplit !== undefined && { validationSplit }),
  };
}

function shardsFrom(flags: Flags): Pick<TrainerOptions, 'shards'> {
  const shards = flags.text('shards');
  if (shards === undefined) return {};
  if (isShards(shards)) return { shards };
  throw new UsageError({ what: '--shards', given: shards, allowed: SHARDS_ALLOWED });
}

/** Whether a profile is requested. */
export function isProfiled(flags: Flags): boolean {
  return flags.isSet('profile') || flags.has('trace');
}
