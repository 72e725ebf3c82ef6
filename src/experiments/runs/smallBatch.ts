// Small batches: test error against the samples of a replica, for batch normalization of each
// replica, SyncBN, group normalization and others. The number of replicas stays; the learning rate
// falls with the batch (Goyal et al. 2017), as in the curve that Wu and He 2018 published.

import { UsageError } from '../../base/errors.ts';
import { firstTrain } from '../../data/subset.ts';
import { convertNorm } from '../../nn/convert/convertNorm.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import { cosine } from '../../optim/schedule.ts';
import type { PlotSeries } from '../../report/plot.ts';
import {
  bySeed,
  cell,
  choiceIn,
  curve,
  judge,
  judgeSame,
  type Measure,
  numberIn,
  numberOf,
  type SeedValues,
  seedsOf,
  subtract,
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
  AnalysisTable,
  ClaimVerdict,
  Experiment,
  ExperimentOptions,
  RunContext,
  RunResult,
  RunSpec,
} from '../engine/experiment.ts';
import type { RunValues } from '../engine/resultSchema.ts';
import { resultWith } from '../engine/resultSchema.ts';
import { trainCurve } from './lossCurve.ts';
import { type ConvStage, type NetPurpose, plainConvNet, purposeOf } from './plainNets.ts';

export const BATCH_NORMS = ['local', 'sync', 'group', 'layer', 'none'] as const;
export type BatchNormName = (typeof BATCH_NORMS)[number];

const DEFAULT_NORMS: readonly BatchNormName[] = ['local', 'sync', 'group'];
const TITLES: Readonly<Record<BatchNormName, string>> = {
  local: 'BN of each replica',
  sync: 'SyncBN',
  group: 'GroupNorm',
  layer: 'LayerNorm',
  none: 'no norm',
};
const SINGLE_TITLE = 'BN on one device';

const REPLICAS = 8;
const LARGEST = 32;
const SMALLEST = 2;
const FULL = { batches: [32, 16, 8, 4, 2], samples: 8000, epochs: 8 };
const QUICK = { batches: [32, 8, 2], samples: 4000, epochs: 6 };
/** Six convolutions: 28x28 images are 4x4 with 64 channels at the end. */
const STAGES: readonly ConvStage[] = [
  { channels: 16, stride: 2 },
  { channels: 16, stride: 1 },
  { channels: 32, stride: 2 },
  { channels: 32, stride: 1 },
  { channels: 64, stride: 2 },
  { channels: 64, stride: 1 },
];
/** Hidden units behind them, where a replica has one value per channel of each sample. */
const HIDDEN = 64;
/** Learning rate with batches of 32; smaller ones have their share of it. */
const RATE = 0.1;
const MOMENTUM = 0.9;
/** Windows of the loss curve in an epoch. */
const WINDOWS = 2;
/** Percentage points that count as the same: a step in what one reads off such a curve. */
const SAME_POINTS = 0.7;

/** Wu and He 2018, figure 1: error of ResNet-50 on ImageNet, 8 GPUs, by images of each GPU, in
 * %. */
const PUBLISHED = {
  batches: [32, 16, 8, 4, 2],
  BN: [23.6, 23.7, 24.8, 27.3, 34.7],
  GN: [24.1, 24.2, 24.0, 24.2, 24.1],
};

function normsOf(options: ExperimentOptions): readonly BatchNormName[] {
  if (options.norms === undefined) return DEFAULT_NORMS;
  return options.norms.map((given) => {
    const found = BATCH_NORMS.find((norm) => norm === given);
    if (found !== undefined) return found;
    throw new UsageError({ what: '--norms', given, allowed: BATCH_NORMS.join(', ') });
  });
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const { batches, samples, epochs } = options.quick ? QUICK : FULL;
  const norms = normsOf(options);
  const specOf = (norm: BatchNormName, replicas: number, batch: number, seed: number): RunSpec => ({
    label:
      replicas === 1
        ? `${SINGLE_TITLE}, batch ${batch}, seed ${seed}`
        : `${TITLES[norm]}, batch ${replicas} x ${batch}, seed ${seed}`,
    settings: {
      data: options.data,
      norm,
      replicas,
      replicaBatch: batch,
      rate: (RATE * replicas * batch) / (REPLICAS * LARGEST),
      samples,
      epochs,
      seed,
    },
    // The smaller the batch, the more of the time goes into the steps themselves.
    cost: (samples * epochs * (1 + 1 / batch)) / 1000,
  });
  // Seed by seed, so that an experiment that is stopped early has something of everything.
  return seedsOf(options).flatMap((seed) => [
    ...batches.flatMap((batch) => norms.map((norm) => specOf(norm, REPLICAS, batch, seed))),
    ...(norms.includes('sync') ? [specOf('local', 1, REPLICAS * SMALLEST, seed)] : []),
  ]);
}

/** Convolutions down to 4x4, then a hidden linear layer: with 28x28 inputs a replica of 2 samples
 * has 32 values per channel in the last convolution's norm, and 2 in the hidden layer's. */
export function smallBatchNet(purpose: NetPurpose, norm: BatchNormName): LayerSpec {
  const { inputShape } = purpose;
  if (norm === 'none') return plainConvNet({ ...purpose, norm, stages: STAGES, hidden: HIDDEN });
  const model = plainConvNet({ ...purpose, norm: 'sync', stages: STAGES, hidden: HIDDEN });
  return norm === 'sync' ? model : convertNorm(model, { to: norm, inputShape });
}

async function run({ settings }: RunSpec, context: RunContext): Promise<RunValues> {
  const norm = choiceIn(settings, 'norm', BATCH_NORMS);
  const replicas = numberIn(settings, 'replicas');
  const replicaBatch = numberIn(settings, 'replicaBatch');
  const samples = Math.min(numberIn(settings, 'samples'), context.dataset.train.count);
  const stepsPerEpoch = Math.floor(samples / (replicas * replicaBatch));
  const steps = stepsPerEpoch * numberIn(settings, 'epochs');
  const result = await trainCurve(
    {
      model: smallBatchNet(purposeOf(context.dataset), norm),
      dataset: firstTrain(context.dataset, samples),
      optimizer: sgd({ lr: numberIn(settings, 'rate'), momentum: MOMENTUM }),
      schedule: cosine(),
      replicas,
      replicaBatch,
      steps,
      windowSteps: Math.ceil(stepsPerEpoch / WINDOWS),
      seed: numberIn(settings, 'seed'),
      evaluates: ['test'],
    },
    context,
  );
  const { error, loss } = result.test!;
  return {
    values: { testError: error, testLoss: loss, trainLoss: result.losses.at(-1)! },
    timings: { trainMs: result.trainMs, stepMs: result.trainMs / steps },
  };
}

const testError: Measure = (result) => 100 * numberOf(result, 'testError');

/** Errors in % by norm and batch, from the results that are there. */
class Errors {
  private readonly results: readonly RunResult[];

  constructor(results: readonly RunResult[]) {
    this.results = results;
  }

  of(norm: BatchNormName, replicaBatch: number): SeedValues {
    return bySeed(this.results, { norm, replicaBatch, replicas: REPLICAS }, testError);
  }

  get single(): SeedValues {
    return bySeed(this.results, { replicas: 1 }, testError);
  }

  rise(norm: BatchNormName, batch = SMALLEST): SeedValues {
    return subtract(this.of(norm, batch), this.of(norm, LARGEST));
  }
}

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const { batches, samples, epochs } = options.quick ? QUICK : FULL;
  const norms = normsOf(options);
  const errors = new Errors(results);
  return {
    tables: tablesOf(errors, norms, batches),
    plots: plotsOf(errors, norms, batches),
    verdicts: verdictsOf(errors, norms),
    notes: [
      `${samples} samples of ${options.data} for ${epochs} epochs, ${REPLICAS} replicas with any ` +
        `batch; SGD with momentum ${MOMENTUM}, a cosine schedule, and a learning rate of ${RATE} ` +
        `for batches of ${LARGEST} that falls with the batch. The error is that of the last ` +
        'epoch on all test samples.',
      'Why this task and net: handwritten digits are so easy that all norms come out alike, so ' +
        'it is Fashion-MNIST. Six convolutions down to 4x4 and a hidden linear layer, as many ' +
        'image nets end, leave a replica as few values per channel as it has samples: two values ' +
        'are always +1 and -1 when they are normalized, whatever they were.',
      'Published errors are those of ResNet-50 on ImageNet with 100 epochs: compare the shape, ' +
        'not the height.',
      `${SINGLE_TITLE} trains one replica with ${REPLICAS * SMALLEST} samples: what SyncBN over ` +
        `${REPLICAS} replicas of ${SMALLEST} should equal. Both round differently, so that ` +
        'single runs drift apart like runs with another seed.',
    ],
  };
}

function tablesOf(
  errors: Errors,
  norms: readonly BatchNormName[],
  batches: readonly number[],
): readonly AnalysisTable[] {
  const rowOf = (norm: BatchNormName): readonly string[] => [
    TITLES[norm],
    ...batches.map((batch) => cell(errors.of(norm, batch), 2)),
  ];
  const published = (values: readonly number[]): readonly string[] =>
    batches.map((batch) => values[PUBLISHED.batches.indexOf(batch)]!.toFixed(1));
  const { single } = errors;
  const singleRow = [SINGLE_TITLE, ...batches.map((b) => (b === SMALLEST ? cell(single, 2) : '-'))];
  const columns = ['samples of each replica', ...batches.map(String)];
  return [
    {
      caption: 'Test error in %, means over the seeds with 95 % intervals',
      columns,
      rows: [...norms.map(rowOf), ...(single.size > 0 ? [singleRow] : [])],
    },
    {
      caption: 'Published: error in % of ResNet-50 on ImageNet, 8 GPUs (Wu and He 2018)',
      columns,
      rows: [
        ['BN of each GPU', ...published(PUBLISHED.BN)],
        ['GroupNorm', ...published(PUBLISHED.GN)],
      ],
    },
  ];
}

function plotsOf(
  errors: Errors,
  norms: readonly BatchNormName[],
  batches: readonly number[],
): readonly AnalysisPlot[] {
  const seriesOf = (norm: BatchNormName, valuesAt: (batch: number) => SeedValues): PlotSeries => ({
    ...curve(
      TITLES[norm],
      batches.map((batch) => ({ x: batch, values: [...valuesAt(batch).values()] })),
    ),
  });
  const publishedRise = (name: string, values: readonly number[]): PlotSeries => ({
    name,
    style: 'dashed',
    points: PUBLISHED.batches.flatMap((batch, i) =>
      batches.includes(batch) ? [{ x: batch, y: values[i]! - values[0]! }] : [],
    ),
  });
  const axes = { xLabel: 'samples of each replica', xScale: 'category' as const };
  return [
    {
      file: 'small-batch',
      caption: 'Test error by the samples of each replica; bars are 95 % intervals over the seeds.',
      plot: {
        ...axes,
        title: 'What a small batch on each device costs',
        yLabel: 'test error, %',
        series: norms.map((norm) => seriesOf(norm, (batch) => errors.of(norm, batch))),
      },
    },
    {
      file: 'published',
      caption:
        'How far the error lies above that at 32 samples, beside ResNet-50 on ImageNet (Wu and ' +
        'He 2018).',
      plot: {
        ...axes,
        title: 'The shape beside the published one',
        yLabel: 'points above the error at 32',
        series: [
          ...norms.map((norm) => seriesOf(norm, (batch) => errors.rise(norm, batch))),
          publishedRise('ResNet-50, BN', PUBLISHED.BN),
          publishedRise('ResNet-50, GN', PUBLISHED.GN),
        ],
      },
    },
  ];
}

function verdictsOf(errors: Errors, norms: readonly BatchNormName[]): readonly ClaimVerdict[] {
  const shown = { digits: 2, unit: '%' } as const;
  const side = (norm: BatchNormName, batch: number) => ({
    name: `${TITLES[norm]} at ${batch}`,
    values: errors.of(norm, batch),
  });
  const rise = (norm: BatchNormName) => ({
    name: `rise of ${TITLES[norm]}`,
    values: errors.rise(norm),
  });
  const has = (...wanted: readonly BatchNormName[]): boolean =>
    wanted.every((norm) => norms.includes(norm));
  const verdicts: ClaimVerdict[] = [];
  if (has('local')) {
    verdicts.push(
      judge({
        claim: `Batch norm of each replica has a larger error at ${SMALLEST} than at ${LARGEST}`,
        a: side('local', SMALLEST),
        b: side('local', LARGEST),
        claimed: 'above',
        ...shown,
      }),
    );
  }
  if (has('local', 'sync')) {
    verdicts.push(
      judge({
        claim: `At ${SMALLEST} samples batch norm of each replica has a larger error than SyncBN`,
        a: side('local', SMALLEST),
        b: side('sync', SMALLEST),
        claimed: 'above',
        ...shown,
      }),
    );
  }
  if (has('sync')) {
    verdicts.push(
      judgeSame({
        claim:
          `SyncBN over ${REPLICAS} replicas of ${SMALLEST} has the error of batch norm on one ` +
          `device with all ${REPLICAS * SMALLEST}, within ${SAME_POINTS} points`,
        a: side('sync', SMALLEST),
        b: { name: SINGLE_TITLE, values: errors.single },
        margin: SAME_POINTS,
        ...shown,
      }),
    );
  }
  if (has('group')) {
    verdicts.push(
      judgeSame({
        claim:
          `GroupNorm is flat: its error at ${SMALLEST} is that at ${LARGEST}, within ` +
          `${SAME_POINTS} points`,
        a: side('group', SMALLEST),
        b: side('group', LARGEST),
        margin: SAME_POINTS,
        ...shown,
      }),
    );
  }
  if (has('local', 'group')) {
    verdicts.push(
      judge({
        claim: `From ${LARGEST} to ${SMALLEST} GroupNorm's error rises less than batch norm's`,
        a: rise('group'),
        b: rise('local'),
        claimed: 'below',
        ...shown,
      }),
    );
  }
  return verdicts;
}

/** See docs/experiments/small-batch.md. */
export const smallBatch: Experiment = {
  name: 'small-batch',
  title: 'Small batches: batch norm of each replica, SyncBN and group norm',
  hypothesis:
    'With few samples on each replica, batch norm of each replica loses accuracy; SyncBN keeps ' +
    'that of one device with the whole batch; group norm does not depend on the batch.',
  defaults: { data: 'fashion-mnist', quickData: 'fashion-mnist', seeds: 5, quickSeeds: 3 },
  plan,
  run,
  resultSchema: () => resultWith(['testError', 'testLoss', 'trainLoss']),
  analyse,
};
