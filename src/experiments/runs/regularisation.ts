// Regularisation: the gap between training and test error of nets that learn a small training set
// by heart, with batch normalization, with group normalization, which has no noise of the batch,
// and without. No weight decay and no augmentation, so that nothing else regularises.

import { firstTrain } from '../../data/subset.ts';
import { sgd } from '../../optim/optimizer.ts';
import {
  bySeed,
  cell,
  choiceIn,
  judge,
  listCurve,
  type Measure,
  numberIn,
  numberOf,
  seedsOf,
  select,
} from '../engine/compare.ts';
import type {
  Analysis,
  Experiment,
  ExperimentOptions,
  RunContext,
  RunResult,
  RunSpec,
} from '../engine/experiment.ts';
import type { RunValues } from '../engine/resultSchema.ts';
import { resultWith } from '../engine/resultSchema.ts';
import { trainCurve } from './lossCurve.ts';
import { NORM_TITLES, plainConvNet, purposeOf, SHALLOW_STAGES } from './plainNets.ts';

const NORMS = ['none', 'sync', 'group'] as const;
type Norm = (typeof NORMS)[number];

const FULL = { samples: 1000, epochs: 30 };
const QUICK = { samples: 500, epochs: 12 };
const BATCH = { replicas: 4, replicaBatch: 8 };
const RATE = 0.02;

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const size = options.quick ? QUICK : FULL;
  return seedsOf(options).flatMap((seed) =>
    NORMS.map((norm) => ({
      label: `${NORM_TITLES[norm]}, seed ${seed}`,
      settings: { data: options.data, norm, rate: RATE, ...BATCH, ...size, seed },
      cost: norm === 'none' ? 1 : 1.2,
    })),
  );
}

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const whole = context.dataset;
  const samples = Math.min(numberIn(settings, 'samples'), whole.train.count);
  const dataset = firstTrain(whole, samples);
  const replicas = numberIn(settings, 'replicas');
  const replicaBatch = numberIn(settings, 'replicaBatch');
  const stepsPerEpoch = Math.floor(samples / (replicas * replicaBatch));
  const curve = await trainCurve(
    {
      model: plainConvNet({
        ...purposeOf(dataset),
        norm: choiceIn(settings, 'norm', NORMS),
        stages: SHALLOW_STAGES,
      }),
      optimizer: sgd({ lr: numberIn(settings, 'rate'), momentum: 0.9 }),
      replicas,
      replicaBatch,
      steps: numberIn(settings, 'epochs') * stepsPerEpoch,
      windowSteps: stepsPerEpoch,
      seed: numberIn(settings, 'seed'),
      dataset,
      evaluates: ['test', 'train'],
    },
    context,
  );
  const { losses, test, train } = curve;
  return {
    values: {
      losses,
      testError: test!.error,
      trainError: train!.error,
      testLoss: test!.loss,
      trainLoss: train!.loss,
    },
    timings: { trainMs: curve.trainMs },
  };
}

const testError: Measure = (result) => 100 * numberOf(result, 'testError');
const trainError: Measure = (result) => 100 * numberOf(result, 'trainError');
const errorGap: Measure = (result) => testError(result) - trainError(result);
const lossGap: Measure = (result) => numberOf(result, 'testLoss') - numberOf(result, 'trainLoss');

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const side = (norm: Norm, measure: Measure) => ({
    name: NORM_TITLES[norm],
    values: bySeed(results, { norm }, measure),
  });
  const compare = (claim: string, other: Norm, measure: Measure) =>
    judge({
      claim,
      claimed: 'below',
      a: side('sync', measure),
      b: side(other, measure),
      ...(measure === lossGap ? {} : { digits: 2, unit: '%' }),
    });
  const { epochs } = options.quick ? QUICK : FULL;
  const at = Array.from({ length: epochs }, (_, i) => i + 1);
  return {
    tables: [
      {
        caption: 'Means over the seeds with 95 % intervals',
        columns: ['norm', 'training error', 'test error', 'gap', 'gap of the losses'],
        rows: NORMS.map((norm) => [
          NORM_TITLES[norm],
          cell(bySeed(results, { norm }, trainError), 2, '%'),
          cell(bySeed(results, { norm }, testError), 2, '%'),
          cell(bySeed(results, { norm }, errorGap), 2, '%'),
          cell(bySeed(results, { norm }, lossGap)),
        ]),
      },
    ],
    plots: [
      {
        file: 'training-loss',
        caption: 'Training loss by epoch, mean over the seeds',
        plot: {
          title: 'Training loss on a small training set',
          xLabel: 'epoch',
          yLabel: 'cross-entropy',
          yScale: 'log',
          series: NORMS.map((norm) =>
            listCurve(NORM_TITLES[norm], select(results, { norm }), 'losses', at),
          ),
        },
      },
    ],
    verdicts: [
      compare('Batch norm narrows the gap between training and test error', 'none', errorGap),
      compare('Batch norm narrows the gap between training and test loss', 'none', lossGap),
      compare('Batch norm lowers the test error', 'none', testError),
      compare(
        'The noise of the batch regularises: the gap of batch norm is below that of group norm',
        'group',
        errorGap,
      ),
    ],
    notes: [
      'Both errors are of the net as it evaluates, with running statistics, on the whole test ' +
        'set and on all training samples. There is no weight decay, dropout or augmentation.',
      'A gap can also be narrow because a net has not learned its training samples: read it ' +
        'with the training error beside it.',
    ],
  };
}

/** See docs/experiments/regularisation.md. */
export const regularisation: Experiment = {
  name: 'regularisation',
  title: 'The gap between training and test',
  hypothesis:
    'On a small training set batch norm narrows the gap between training and test error, more ' +
    'than group norm, since other samples of the batch add noise to its statistics.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 5, quickSeeds: 2 },
  plan,
  run,
  resultSchema: () =>
    resultWith(['testError', 'trainError', 'testLoss', 'trainLoss'], { losses: 1 }),
  analyse,
};
