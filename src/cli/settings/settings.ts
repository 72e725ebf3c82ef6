// From the flags of `syncbn train` to a run: data, model, optimizer and the rest, with the
// command's defaults.

import { readFileSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { messageOf } from '../../base/showError.ts';
import type { Dataset } from '../../data/dataset.ts';
import { type DatasetDescription, dataDifference, describeDataset } from '../../data/identity.ts';
import { openDataset } from '../../data/open.ts';
import { firstTrain, limitTrain } from '../../data/subset.ts';
import { convertNorm } from '../../nn/convert/convertNorm.ts';
import { NORM_TARGETS, type NormRequest } from '../../nn/convert/normRequest.ts';
import { NORM_KINDS } from '../../nn/layers/normTraits.ts';
import { namedModel } from '../../nn/models/models.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { crossEntropy } from '../../nn/specs/losses.ts';
import { type AllowModules, loadModules } from '../../nn/specs/modules.ts';
import { customModulesOf, type LayerSpec } from '../../nn/specs/spec.ts';
import { type AveragingSpec, ema, swa } from '../../optim/averaging.ts';
import { OPTIMIZER_NAMES } from '../../optim/bindOptimizer.ts';
import { MONITORS } from '../../optim/monitor.ts';
import { optionNamesOf, parseOptimizer } from '../../optim/optimizer.ts';
import type { OptimizerSpec } from '../../optim/optimizers.ts';
import { plateau } from '../../optim/plateau.ts';
import { constant, cosine, type ScheduleSpec, step } from '../../optim/schedule.ts';
import { MAX_GRAINS, MAX_REPLICAS, trainCounts } from '../../plan/config.ts';
import { smallestBatch } from '../../plan/feasible.ts';
import { ON_NON_FINITE } from '../../plan/onNonFinite.ts';
import {
  DEFAULT_REPLICA_BATCH,
  DEFAULT_REPLICAS,
  DEFAULT_SEED,
  type TrainerOptions,
} from '../../runtime/trainerOptions.ts';
import { fineTuningFrom } from './fineTuneFlags.ts';
import type { Flags } from './flags.ts';

export const DEFAULTS = { data: 'mnist', model: 'mnist-cnn', norm: 'sync' } as const;
const DEFAULT_SGD_LR = 0.1;
const DEFAULT_MOMENTUM = 0.9;

/** The dataset that the flags ask for, read as a checkpoint that is gone on from had it: earlier
 * versions kept float targets as they are, and limited data to its first samples. */
export async function dataFrom(flags: Flags, saved?: DatasetDescription): Promise<Dataset> {
  const task = saved?.task;
  const standardizeTargets = task?.kind !== 'regression' || task.mean !== undefined;
  const dataset = await openDataset(flags.text('data') ?? DEFAULTS.data, { standardizeTargets });
  const limit = flags.integer('limit', 1);
  if (limit === undefined) return dataset;
  const drawn = limitTrain(dataset, limit);
  if (saved === undefined || isDataOf(saved, drawn)) return drawn;
  const first = firstTrain(dataset, limit);
  return isDataOf(saved, first) ? first : drawn;
}

function isDataOf(saved: DatasetDescription, data: Dataset): boolean {
  return dataDifference(describeDataset(data), saved) === undefined;
}

/** The model that the flags ask for, with its normalizations replaced. */
export async function modelFrom(flags: Flags, data: Dataset): Promise<LayerSpec> {
  const model = await bareModelFrom(flags, data);
  if (flags.text('norm') === 'frozen' && !flags.has('weights')) {
    throw new UsageError({
      what: '--norm frozen',
      given: 'without --resume or --weights',
      allowed: 'with a checkpoint, whose running statistics it is frozen to',
      hint: '--resume run.ckpt',
    });
  }
  return normalizedAs(flags, model, data);
}

/** A model with the normalizations that the flags ask for. A file says how its model normalizes,
 * which changes only on request; models by name are synchronized. */
export function normalizedAs(flags: Flags, model: LayerSpec, data: Dataset): LayerSpec {
  if (flags.text('model')?.endsWith('.json') === true && !flags.has('norm')) {
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

/** The model that the flags name, with the normalizations that it comes with and its own layers
 * loaded: norms that depend on shapes need those behind them. */
export async function bareModelFrom(flags: Flags, data: Dataset): Promise<LayerSpec> {
  const model = namedModelFrom(flags, data);
  await loadModules(customModulesOf(model), allowModulesFrom(flags));
  return model;
}

/** The modules of custom layers whose code may run. */
export function allowModulesFrom(flags: Flags): AllowModules | undefined {
  return flags.listOrAll('allow-modules');
}

function namedModelFrom(flags: Flags, data: Dataset): LayerSpec {
  const name = flags.text('model') ?? DEFAULTS.model;
  const zeroInitResidual = flags.isSet('zero-init-residual');
  if (name.endsWith('.json')) {
    refuseWithout(flags, 'zero-init-residual', '--model resnet20', false);
    return parseModel(readJson(name), `the model in ${name}`);
  }
  const { task, inputShape } = data;
  if (task.kind !== 'classification') {
    throw new UsageError({
      what: `--model ${name} on ${data.name}`,
      given: task.kind,
      allowed: 'data with classes',
      hint: '--model FILE.json',
    });
  }
  return namedModel(name, { inputShape, classes: task.classes, zeroInitResidual });
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError({
      what: `--model ${path}`,
      given: messageOf(error),
      allowed: 'a readable file with JSON',
    });
  }
}

function optimizerFrom(flags: Flags): OptimizerSpec {
  const kind = flags.choice('optimizer', OPTIMIZER_NAMES) ?? 'sgd';
  const given = {
    lr: flags.number('lr', 0),
    weightDecay: flags.number('weight-decay', 0),
    momentum: flags.number('momentum', 0),
    nesterov: flags.isSet('nesterov') ? true : undefined,
  };
  for (const option of ['momentum', 'nesterov'] as const) {
    const takers = OPTIMIZER_NAMES.filter((name) => optionNamesOf(name).includes(option));
    const needed = `--optimizer ${takers.join(' or ')}`;
    refuseWithout(flags, option, needed, takers.includes(kind));
  }
  return parseOptimizer({
    kind,
    ...(kind === 'sgd' && { lr: DEFAULT_SGD_LR, momentum: DEFAULT_MOMENTUM }),
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    decayNormAndBias: !flags.isSet('no-norm-decay'),
  });
}

function scheduleFrom(flags: Flags): ScheduleSpec {
  const kind = flags.choice('schedule', ['constant', 'cosine', 'step', 'plateau']) ?? 'constant';
  const warmupSteps = flags.integer('warmup-steps', 0) ?? 0;
  const stepSize = flags.integer('step-size', 1);
  const gamma = flags.number('gamma', 0);
  refuseWithout(flags, 'step-size', '--schedule step', kind === 'step');
  refuseWithout(flags, 'gamma', '--schedule step', kind === 'step');
  for (const name of ['factor', 'lr-patience', 'min-lr']) {
    refuseWithout(flags, name, '--schedule plateau', kind === 'plateau');
  }
  if (kind === 'plateau') return plateauFrom(flags, warmupSteps);
  if (kind === 'constant') return constant({ warmupSteps });
  if (kind === 'cosine') return cosine({ warmupSteps });
  if (stepSize === undefined) {
    throw new UsageError({
      what: '--schedule step',
      given: 'no --step-size',
      allowed: 'the steps between two cuts',
      hint: '--step-size 500',
    });
  }
  return step({ warmupSteps, stepSize, ...(gamma !== undefined && { gamma }) });
}

function averagingFrom(flags: Flags): AveragingSpec | undefined {
  const decay = flags.number('ema', 0);
  const fromEpoch = flags.integer('swa-from', 1);
  if (decay !== undefined && fromEpoch !== undefined) {
    throw new UsageError({
      what: '--ema and --swa-from',
      given: 'both',
      allowed: 'one of the two: a run keeps one average',
    });
  }
  if (decay !== undefined) return ema({ decay });
  return fromEpoch === undefined ? undefined : swa({ fromEpoch });
}

function plateauFrom(flags: Flags, warmupSteps: number): ScheduleSpec {
  const monitor = flags.choice('monitor', MONITORS);
  const factor = flags.number('factor', 0);
  const patience = flags.integer('lr-patience', 0);
  const minLr = flags.number('min-lr', 0);
  return plateau({
    warmupSteps,
    ...(monitor !== undefined && { monitor }),
    ...(factor !== undefined && { factor }),
    ...(patience !== undefined && { patience }),
    ...(minLr !== undefined && { minLr }),
  });
}

/** The options of a run of this model. */
export function trainerOptionsFrom(flags: Flags, data: Dataset, model: LayerSpec): TrainerOptions {
  const workers = flags.integer('workers', 1);
  const globalBatch = flags.integer('batch', 1);
  const replicaBatch = flags.integer('replica-batch', 1);
  const grains = flags.integer('grains', 1, MAX_GRAINS);
  const clipNorm = flags.number('clip-norm', 0);
  const timeoutMs = flags.integer('timeout-ms', 1);
  const labelSmoothing = flags.number('label-smoothing', 0);
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
    seed: flags.integer('seed', 0, Number.MAX_SAFE_INTEGER) ?? DEFAULT_SEED,
    mode: flags.isSet('strict') ? 'strict' : 'fast',
    elastic: flags.isSet('elastic'),
    augmentation: { flip: flags.isSet('flip'), ...(shift !== undefined && { shift }) },
    ...fineTuningFrom(flags),
    ...(workers !== undefined && { workers }),
    ...(globalBatch !== undefined && { globalBatch }),
    ...(replicaBatch !== undefined && { replicaBatch }),
    ...(grains !== undefined && { grains }),
    ...(averaging !== undefined && { averaging }),
    ...(clipNorm !== undefined && { clipNorm }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(diagnosticsEvery !== undefined && { diagnosticsEvery }),
    ...(onNonFinite !== undefined && { onNonFinite }),
    ...(validationSplit !== undefined && { validationSplit }),
    ...(labelSmoothing !== undefined && { loss: crossEntropy({ labelSmoothing }) }),
  };
}

/** Whether anything of a profile is asked for. */
export function isProfiled(flags: Flags): boolean {
  return flags.isSet('profile') || flags.has('trace');
}

export function refuseWithout(flags: Flags, name: string, needed: string, isThere: boolean): void {
  if (isThere || !flags.has(name)) return;
  throw new UsageError({
    what: `--${name}`,
    given: `without ${needed}`,
    allowed: `with ${needed}`,
  });
}
