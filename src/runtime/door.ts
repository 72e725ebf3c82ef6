// Schemas for what the functions of a trainer accept: see base/parse.ts. Data, models, optimizers
// and other specs are parsed by their own functions.

import { UsageError } from '../base/errors.ts';
import { isObject, optionsSchema, parseOptions } from '../base/parse.ts';
import {
  accept,
  anything,
  atLeastZero,
  callback,
  flag,
  listOf,
  oneOf,
  positive,
  realNumber,
  text,
  wholeNumber,
} from '../base/values.ts';
import type { CheckpointNote } from '../checkpoint/checkpoint.ts';
import type { TrainingData } from '../data/chunked/chunkedDataset.ts';
import { isShards, SHARDS_ALLOWED, type Shards } from '../data/loading/shards.ts';
import { parseNormRequest } from '../nn/convert/convertNorm.ts';
import { parseBatchNormSwitches } from '../nn/convert/switchBatchNorm.ts';
import { parseModel } from '../nn/models/parse.ts';
import { allowModulesOption } from '../nn/specs/allowModules.ts';
import { parseLoss } from '../nn/specs/losses.ts';
import type { MetricName } from '../observe/metric.ts';
import { parseAveraging } from '../optim/averaging.ts';
import { parseLrScaling } from '../optim/lrScaling.ts';
import { MONITORS, type MonitorName, VALIDATION_SPLITS } from '../optim/monitor.ts';
import { parseOptimizer } from '../optim/optimizer.ts';
import { parseSchedule } from '../optim/schedule.ts';
import { MAX_GRAINS, MAX_REPLICAS, type MicroBatches } from '../plan/config.ts';
import type { EvalCorrection } from '../plan/evalCorrection.ts';
import type { HeadOptions } from '../plan/heads.ts';
import { ON_NON_FINITE } from '../plan/onNonFinite.ts';
import type { ParameterGroup } from '../plan/parameterGroups.ts';
import { DEFINITIONS } from '../plan/populationPlan.ts';
import type { EvaluateOptions, UseAverageOptions } from './evaluation.ts';
import type { ExportOptions } from './exportInference.ts';
import type { EvaluateDataOptions, LoadOptions } from './loadModel.ts';
import type { PreciseOptions } from './preciseNorm.ts';
import type { Inputs } from './predict.ts';
import type { EarlyStopping, FitOptions } from './progress.ts';
import type { ResumeOptions } from './resume.ts';
import type { SaveOptions } from './saving.ts';
import type { TrainerOptions } from './trainerOptions.ts';

const workers = wholeNumber(1).exactOptional();
const timeoutMs = wholeNumber(1).exactOptional();

/** Options that both Trainer.start and Trainer.resume accept. */
const common = {
  data: anything<TrainingData>("a dataset, such as await openDataset('mnist')"),
  workers,
  replicas: wholeNumber(1, MAX_REPLICAS).exactOptional(),
  timeoutMs,
  startTimeoutMs: wholeNumber(1).exactOptional(),
  diagnosticsEvery: wholeNumber(0).exactOptional(),
  profile: flag.exactOptional(),
  elastic: flag.exactOptional(),
  microBatches: accept<MicroBatches>(
    "a whole number from 1, or 'auto'",
    (value) => value === 'auto' || wholeNumber(1).safeParse(value).success,
  ).exactOptional(),
  norm: anything<NonNullable<TrainerOptions['norm']>>().exactOptional(),
  evalCorrection: accept<EvalCorrection>(
    "'auto', or the weight of a sample from 0 to 1",
    (value) => value === 'auto' || (typeof value === 'number' && value >= 0 && value <= 1),
  ).exactOptional(),
  onNonFinite: oneOf(ON_NON_FINITE).exactOptional(),
  onNotice: callback<(notice: string) => void>().exactOptional(),
  allowModules: allowModulesOption,
};

const trainerSchema = optionsSchema<TrainerOptions<TrainingData>>()({
  ...common,
  model: anything<TrainerOptions['model']>('a layer, such as nn.sequential([...])'),
  optimizer: anything<TrainerOptions['optimizer']>('an optimizer, such as optim.sgd({ lr: 0.1 })'),
  schedule: anything<NonNullable<TrainerOptions['schedule']>>().exactOptional(),
  averaging: anything<NonNullable<TrainerOptions['averaging']>>().exactOptional(),
  lrScaling: anything<NonNullable<TrainerOptions['lrScaling']>>().exactOptional(),
  loss: anything<NonNullable<TrainerOptions['loss']>>().exactOptional(),
  heads: anything<NonNullable<TrainerOptions['heads']>>().exactOptional(),
  weights: anything<NonNullable<TrainerOptions['weights']>>().exactOptional(),
  strictWeights: flag.exactOptional(),
  batchNorm: anything<NonNullable<TrainerOptions['batchNorm']>>().exactOptional(),
  freeze: listOf<string>("a list of patterns, ['0.*', '*.bias']", (item) => {
    return text.safeParse(item).success;
  }).exactOptional(),
  parameterGroups: anything<NonNullable<TrainerOptions['parameterGroups']>>().exactOptional(),
  grains: wholeNumber(1, MAX_GRAINS).exactOptional(),
  replicaBatch: wholeNumber(1).exactOptional(),
  globalBatch: wholeNumber(1).exactOptional(),
  dropLast: flag.exactOptional(),
  shuffle: flag.exactOptional(),
  shards: accept<Shards>(SHARDS_ALLOWED, isShards).exactOptional(),
  validationSplit: positive.exactOptional(),
  augmentation: anything<NonNullable<TrainerOptions['augmentation']>>().exactOptional(),
  clipNorm: positive.exactOptional(),
  clipValue: positive.exactOptional(),
  seed: wholeNumber(0, Number.MAX_SAFE_INTEGER).exactOptional(),
  mode: oneOf(['fast', 'strict']).exactOptional(),
  epochs: wholeNumber(1).exactOptional(),
});

const resumeSchema = optionsSchema<ResumeOptions>()(common);

const DECIDED =
  'is decided by the checkpoint: a resumed run keeps this setting for any number of workers';
const decidedByCheckpoint = Object.fromEntries(
  [...Object.keys(trainerSchema.shape), 'batch']
    .filter((name) => !(name in resumeSchema.shape))
    .map((name) => [name, DECIDED]),
);

/** The options of Trainer.start, with its model, optimizer, schedule and loss parsed. */
export function parseTrainerOptions(given: unknown): TrainerOptions<TrainingData> {
  const options = parseOptions('Trainer.start', trainerSchema, withGlobalBatch(given), {
    example: 'Trainer.start({ model, data, optimizer: optim.sgd({ lr: 0.1 }) })',
  });
  const { schedule, averaging, lrScaling, loss, heads, norm, parameterGroups, batchNorm } = options;
  if (options.strictWeights !== undefined && options.weights === undefined) {
    throw new UsageError({ what: 'strictWeights of Trainer.start', problem: 'requires weights' });
  }
  return {
    ...options,
    model: parseModel(options.model, 'model'),
    optimizer: parseOptimizer(options.optimizer),
    ...(schedule !== undefined && { schedule: parseSchedule(schedule) }),
    ...(averaging !== undefined && { averaging: parseAveraging(averaging) }),
    ...(lrScaling !== undefined && { lrScaling: parseLrScaling(lrScaling) }),
    ...(loss !== undefined && { loss: parseLoss(loss) }),
    ...(heads !== undefined && { heads: parseHeads(heads) }),
    ...(norm !== undefined && { norm: parseNormRequest(norm) }),
    ...(batchNorm !== undefined && { batchNorm: parseBatchNormSwitches(batchNorm) }),
    ...(parameterGroups !== undefined && {
      parameterGroups: parseParameterGroups(parameterGroups),
    }),
  };
}

const headSchema = optionsSchema<HeadOptions>()({
  loss: anything<NonNullable<HeadOptions['loss']>>().exactOptional(),
  weight: positive.exactOptional(),
});

/** Parses how heads are trained. Throws a {@link UsageError}. */
function parseHeads(given: unknown): Readonly<Record<string, HeadOptions>> {
  const example = 'heads: { aux: { weight: 0.4 } }';
  if (!isObject(given)) {
    throw new UsageError({ what: 'heads', given, allowed: 'an object', hint: example });
  }
  const parsed = Object.entries(given).map(([name, head]) => {
    const options = parseOptions(`heads.${name}`, headSchema, head, { example });
    const { loss } = options;
    return [name, { ...options, ...(loss !== undefined && { loss: parseLoss(loss) }) }];
  });
  return Object.fromEntries(parsed);
}

const groupSchema = optionsSchema<ParameterGroup>()({
  match: text,
  lrScale: positive.exactOptional(),
  weightDecay: atLeastZero.exactOptional(),
});

/** Parses parameter groups. Throws a {@link UsageError} for unknown fields, values out of range,
 * and a group that changes nothing. */
function parseParameterGroups(given: unknown): readonly ParameterGroup[] {
  if (!Array.isArray(given)) {
    const example = "parameterGroups: [{ match: '*.bias', weightDecay: 0 }]";
    throw new UsageError({ what: 'parameterGroups', given, allowed: 'a list', hint: example });
  }
  return Array.from(given, (group: unknown, i) => {
    const parsed = parseOptions(`parameterGroups[${i}]`, groupSchema, group, {
      example: "{ match: '*.bias', weightDecay: 0 }",
    });
    if (parsed.lrScale !== undefined || parsed.weightDecay !== undefined) return parsed;
    throw new UsageError({
      what: `parameterGroups[${i}]`,
      given: parsed,
      allowed: 'an lrScale, a weightDecay, or both',
    });
  });
}

/** The options with `globalBatch` in place of its alias `batch`. */
function withGlobalBatch(given: unknown): unknown {
  if (!isObject(given) || given.batch === undefined) return given;
  const { batch, ...rest } = given;
  if (rest.globalBatch === undefined) return { ...rest, globalBatch: batch };
  throw new UsageError({
    what: 'batch of Trainer.start',
    given: { batch, globalBatch: rest.globalBatch },
    allowed: 'globalBatch alone; batch is an alias of it',
  });
}

/** The options of Trainer.resume. */
export function parseResumeOptions(given: unknown): ResumeOptions {
  const options = parseOptions('Trainer.resume', resumeSchema, given, {
    example: "Trainer.resume('run.ckpt', { data })",
    refused: decidedByCheckpoint,
  });
  const { norm } = options;
  return { ...options, ...(norm !== undefined && { norm: parseNormRequest(norm) }) };
}

const MAX_DELAY_MS = 2 ** 31 - 1;

const fitSchema = optionsSchema<FitOptions>()({
  epochs: wholeNumber(1),
  progressEveryMs: realNumber(`a number from 0 to ${MAX_DELAY_MS}`, (ms) => {
    return ms >= 0 && ms <= MAX_DELAY_MS;
  }).exactOptional(),
  maxSteps: wholeNumber(0, Number.MAX_SAFE_INTEGER).exactOptional(),
  validate: oneOf(VALIDATION_SPLITS).exactOptional(),
  earlyStopping: anything<EarlyStopping>().exactOptional(),
  keepBest: accept<boolean | MonitorName>(`true, false, '${MONITORS.join("', '")}'`, (given) => {
    return typeof given === 'boolean' || MONITORS.includes(given as MonitorName);
  }).exactOptional(),
  restoreBest: flag.exactOptional(),
  signal: accept<AbortSignal>('an AbortSignal', (given) => {
    return given instanceof AbortSignal;
  }).exactOptional(),
});

const earlySchema = optionsSchema<EarlyStopping>()({
  monitor: oneOf(MONITORS).exactOptional(),
  patience: wholeNumber(1),
  minDelta: atLeastZero.exactOptional(),
});

/** The options of fit. */
export function parseFitOptions(given: unknown): FitOptions {
  const options = parseOptions('fit', fitSchema, given, { example: 'fit({ epochs: 10 })' });
  if (options.earlyStopping === undefined) return options;
  const example = 'earlyStopping: { patience: 5 }';
  const { earlyStopping } = options;
  const early = parseOptions('earlyStopping', earlySchema, earlyStopping, { example });
  return { ...options, earlyStopping: early };
}

const preciseSchema = optionsSchema<PreciseOptions>()({
  batches: wholeNumber(1),
  definition: oneOf(DEFINITIONS).exactOptional(),
});

/** The options of preciseBatchNorm, with their defaults. */
export function parsePreciseOptions(given: unknown): Required<PreciseOptions> {
  const example = 'preciseBatchNorm({ batches: 100 })';
  const options = parseOptions('preciseBatchNorm', preciseSchema, given, { example });
  return { definition: 'pooled', ...options };
}

const batches = wholeNumber(1).exactOptional();
const useAverageSchema = optionsSchema<UseAverageOptions>()({ batches });
const evaluateSchema = optionsSchema<EvaluateOptions>()({
  weights: oneOf(['raw', 'average']).exactOptional(),
  batches,
  metrics: listOf<MetricName>('a list of names of metrics', (name) => {
    return typeof name === 'string';
  }).exactOptional(),
});

/** The options of evaluate. Whether such metrics exist is checked with the data. */
export function parseEvaluateOptions(
  given: unknown,
): EvaluateOptions & Required<Pick<EvaluateOptions, 'weights'>> {
  const example = "evaluate('test', { weights: 'average' })";
  const options = parseOptions('evaluate', evaluateSchema, given, { example });
  const { weights = 'raw' } = options;
  if (weights === 'average' || options.batches === undefined) return { ...options, weights };
  throw new UsageError({
    what: 'batches of evaluate',
    given: options.batches,
    allowed: "weights: 'average', whose statistics are measured over this many batches",
  });
}

/** The options of useAverage. */
export function parseUseAverageOptions(given: unknown): UseAverageOptions {
  const example = 'useAverage({ batches: 100 })';
  return parseOptions('useAverage', useAverageSchema, given, { example });
}

const loadSchema = optionsSchema<LoadOptions>()({
  threads: wholeNumber(1).exactOptional(),
  fold: flag.exactOptional(),
  timeoutMs,
  allowModules: allowModulesOption,
});

/** The options of loadModel. */
export function parseLoadOptions(given: unknown): LoadOptions {
  const example = "loadModel('run.ckpt', { threads: 2 })";
  return parseOptions('loadModel', loadSchema, given, { example });
}

const evaluateDataSchema = optionsSchema<EvaluateDataOptions>()({
  split: oneOf(['train', 'test']).exactOptional(),
  metrics: evaluateSchema.shape.metrics,
});

/** The options of a loaded model's evaluate. */
export function parseEvaluateDataOptions(given: unknown): EvaluateDataOptions {
  const example = "evaluate(data, { split: 'train' })";
  return parseOptions('evaluate', evaluateDataSchema, given, { example });
}

const exportSchema = optionsSchema<ExportOptions>()({
  inputs: anything<Inputs>().exactOptional(),
  tolerance: atLeastZero.exactOptional(),
  path: text.exactOptional(),
  overwrite: flag.exactOptional(),
});

/** The options of exportInference, except for the length of the inputs. */
export function parseExportOptions(given: unknown): ExportOptions {
  const example = "exportInference({ path: 'inference.ckpt' })";
  return parseOptions('exportInference', exportSchema, given, { example });
}

const NOTED_TYPES: readonly string[] = ['string', 'number', 'boolean'];
const saveSchema = optionsSchema<SaveOptions>()({
  overwrite: flag.exactOptional(),
  keep: wholeNumber(1).exactOptional(),
  ofEachProcess: flag.exactOptional(),
  note: accept<CheckpointNote>('an object of texts, numbers and booleans', (given) => {
    if (!isObject(given)) return false;
    return Object.values(given).every((value) => NOTED_TYPES.includes(typeof value));
  }).exactOptional(),
});

/** The options of save. */
export function parseSaveOptions(given: unknown): SaveOptions {
  return parseOptions('save', saveSchema, given, { example: "save('run.ckpt', { keep: 3 })" });
}

/** The path of a file for the function named by `what`. */
export function parsePath(what: string, given: unknown): string {
  if (typeof given === 'string' && given !== '' && !given.includes('\0')) return given;
  throw new UsageError({ what, given, allowed: 'the path of a file' });
}
