// Fine-tuning with one or two images per replica: what to do with a pretrained net's batch norms?
// Detection code freezes them, because statistics of so few images are useless; SyncBN has the
// statistics of all replicas. A run trains a net on half of the classes with large batches, then
// fine-tunes it in each way on the other half, either on similar images or on negatives.

import type { Dataset } from '../../data/dataset.ts';
import type { BatchNormSwitches } from '../../nn/convert/switchBatchNorm.ts';
import { type LayerSpec, leafPaths } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import { cosine } from '../../optim/schedule.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import { batchesFrom } from '../engine/choices.ts';
import { batchAndSeedIn, choiceIn, numberIn, seedsOf } from '../engine/compare.ts';
import type {
  Experiment,
  ExperimentOptions,
  NetContext,
  PlainRecord,
  RunContext,
  RunSpec,
} from '../engine/experiment.ts';
import type { RunValues } from '../engine/resultSchema.ts';
import { resultWith } from '../engine/resultSchema.ts';
import { someTrain } from '../engine/samples.ts';
import { classHalves, negativesOf } from './classHalves.ts';
import {
  analyse,
  LOSS_WINDOWS,
  REPLICA_BATCHES,
  TARGETS,
  WAYS,
  type Way,
} from './fineTuningAnalysis.ts';
import { type LossCurve, trainCurve } from './lossCurve.ts';
import { LONG_STAGES, plainConvNet, purposeOf } from './plainNets.ts';

const REPLICAS = 8;
/** Images seen during fine-tuning, and distinct samples among them. Quick runs have the same sizes
 * but fewer seeds. */
const IMAGES = 8000;
const SAMPLES = 2000;
const PRETRAIN_STEPS = 250;
const PRETRAINING = { replicaBatch: 8, rate: 0.1 };
/** Each way was tried with one seed at 0.005, 0.02 and 0.05. This rate was the best for each, or
 * within a percentage point of the best. */
const RATE = 0.02;
const MOMENTUM = 0.9;

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const batches = batchesFrom(options, REPLICA_BATCHES);
  return seedsOf(options).flatMap((seed) =>
    TARGETS.flatMap((target) =>
      batches.map((replicaBatch) => ({
        label: `${target}, batch ${REPLICAS} x ${replicaBatch}, seed ${seed}`,
        settings: {
          ...{ data: options.data, target, replicas: REPLICAS, replicaBatch },
          ...{ rate: options.lr ?? RATE, pretrainSteps: PRETRAIN_STEPS, samples: SAMPLES },
          steps: stepsOf(options, REPLICAS * replicaBatch),
          seed,
        },
        cost: 1 + 1 / replicaBatch,
      })),
    ),
  );
}

function stepsOf({ epochs }: ExperimentOptions, globalBatch: number): number {
  if (epochs === undefined) return Math.floor(IMAGES / globalBatch);
  return epochs * Math.floor(SAMPLES / globalBatch);
}

function netFor(dataset: Dataset, norm: 'sync' | 'local'): LayerSpec {
  return plainConvNet({ ...purposeOf(dataset), norm, stages: LONG_STAGES });
}

/** Uses the norms that need the most values, and all classes of the data. */
function nets(_settings: PlainRecord, { dataset }: NetContext): readonly LayerSpec[] {
  return [netFor(dataset, 'local')];
}

async function run({ settings }: RunSpec, context: RunContext): Promise<RunValues> {
  const { first, second } = classHalves(context.dataset);
  const wanted = choiceIn(settings, 'target', TARGETS);
  const target = targetData(wanted === 'alike' ? first : negativesOf(first), settings);
  // Each way, and the pretraining, has its share of the run's progress.
  const parts = WAYS.length + 1;
  const partOf = (part: number): RunContext => ({
    ...context,
    progress: (share) => context.progress((part + share) / parts),
  });
  const { weights, trainMs: beforeMs } = await pretrain(second, settings, partOf(0));
  const values: Record<string, number | readonly number[]> = {};
  let trainMs = beforeMs;
  for (const [i, way] of WAYS.entries()) {
    const found = await fineTune({ way, weights, target, settings }, partOf(i + 1));
    trainMs += found.trainMs;
    values[way] = 100 * found.test!.error;
    values[`${way}Losses`] = found.losses;
  }
  return { values, timings: { trainMs } };
}

function targetData(dataset: Dataset, settings: PlainRecord): Dataset {
  return someTrain(dataset, Math.min(numberIn(settings, 'samples'), dataset.train.count));
}

type Weights = ReturnType<Trainer['weights']>;

async function pretrain(
  dataset: Dataset,
  settings: PlainRecord,
  context: RunContext,
): Promise<{ readonly weights: Weights; readonly trainMs: number }> {
  const steps = numberIn(settings, 'pretrainSteps');
  let weights: Weights = new Map();
  const { trainMs } = await trainCurve(
    {
      model: netFor(dataset, 'sync'),
      dataset,
      optimizer: sgd({ lr: PRETRAINING.rate, momentum: MOMENTUM }),
      schedule: cosine(),
      replicas: numberIn(settings, 'replicas'),
      replicaBatch: PRETRAINING.replicaBatch,
      steps,
      windowSteps: steps,
      seed: numberIn(settings, 'seed'),
      async atEnd(trainer) {
        weights = trainer.weights();
      },
    },
    context,
  );
  return { weights, trainMs };
}

interface FineTuning {
  readonly way: Way;
  readonly weights: Weights;
  readonly target: Dataset;
  readonly settings: PlainRecord;
}

/** The batch norm switches of each way; ways that are not listed need none. A net has the same
 * parameters in every way, so that all last layers start with the same values. */
const SWITCHES: Readonly<Partial<Record<Way, BatchNormSwitches>>> = {
  statistics: { statistics: 'running', updateStatistics: false },
  frozen: { statistics: 'running', updateStatistics: false, trainAffine: false },
};

function fineTune(of: FineTuning, context: RunContext): Promise<LossCurve> {
  const { way, weights, target, settings } = of;
  const steps = numberIn(settings, 'steps');
  const model = netFor(target, way === 'local' ? 'local' : 'sync');
  // The last layer has other classes, so its weights are not loaded.
  const head = `${leafPaths(model).at(-1)!}.`;
  const switches = SWITCHES[way];
  return trainCurve(
    {
      model,
      weights: new Map([...weights].filter(([name]) => !name.startsWith(head))),
      strictWeights: false,
      ...(switches !== undefined && { batchNorm: [switches] }),
      dataset: target,
      optimizer: sgd({ lr: numberIn(settings, 'rate'), momentum: MOMENTUM }),
      schedule: cosine(),
      ...batchAndSeedIn(settings),
      steps,
      windowSteps: Math.ceil(steps / LOSS_WINDOWS),
      evaluates: ['test'],
    },
    context,
  );
}

/** See docs/experiments/fine-tuning.md. */
export const fineTuning: Experiment = {
  name: 'fine-tuning',
  title: 'Fine-tuning with frozen batch norm or SyncBN',
  hypothesis:
    'With one or two images per replica, local batch norm spoils a pretrained net. Freezing its ' +
    'batch norms avoids that, and does as well as SyncBN if the images are like those before.',
  defaults: { data: 'fashion-mnist', quickData: 'fashion-mnist', seeds: 5, quickSeeds: 3 },
  choices: {
    model: 'it builds its net twice, for the classes before and after',
    lr: true,
    'replica-batches': true,
    norms: 'it compares what happens to batch norms, not norms',
    epochs: true,
  },
  plan,
  nets,
  run,
  resultSchema: () => resultWith(WAYS, Object.fromEntries(WAYS.map((way) => [`${way}Losses`, 1]))),
  analyse,
};
