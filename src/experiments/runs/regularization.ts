// Regularization: the gap between training and test error of nets that memorize a small training
// set, with batch normalization, with group normalization, which has no batch noise, and without a
// norm. There is no weight decay or augmentation, so that nothing else regularizes.

import { sgd } from '../../optim/optimizer.ts';
import {
  type ComparedNorm,
  normsAgainst,
  oneBatchFrom,
  TRAINING_CHOICES,
} from '../engine/choices.ts';
import {
  bySeed,
  cell,
  judge,
  listCurve,
  type Measure,
  numberIn,
  numberOf,
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
import { epochsIn } from '../engine/samples.ts';
import { trainCurve } from './lossCurve.ts';
import { capitalized, convNetWith, NORM_TITLES, SHALLOW_STAGES } from './plainNets.ts';
import { runsByNorm } from './runsByNorm.ts';

const FULL = { samples: 1000, epochs: 30 };
const QUICK = { samples: 500, epochs: 12 };
const REPLICAS = 4;
const REPLICA_BATCH = 8;
const RATE = 0.02;
const NOISE_CLAIM = 'Batch noise regularizes: the gap of batch norm is below that of group norm';

/** `none` and the norms compared with it. */
function normsOf(options: ExperimentOptions): readonly ComparedNorm[] {
  return normsAgainst(options, ['none', 'sync', 'group']);
}

function sizeOf(options: ExperimentOptions): typeof FULL {
  const { samples, epochs } = options.quick ? QUICK : FULL;
  return { samples, epochs: options.epochs ?? epochs };
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const size = sizeOf(options);
  const batch = { replicas: REPLICAS, replicaBatch: oneBatchFrom(options, REPLICA_BATCH) };
  return runsByNorm(options, {
    norms: normsOf(options),
    cases: [{ settings: { rate: options.lr ?? RATE } }],
    settings: { ...batch, ...size },
    costOf: (norm) => (norm === 'none' ? 1 : 1.2),
  });
}

const nets = convNetWith(SHALLOW_STAGES);

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const { training, stepsPerEpoch } = epochsIn(settings, context.dataset);
  const curve = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      optimizer: sgd({ lr: numberIn(settings, 'rate'), momentum: 0.9 }),
      ...training,
      windowSteps: stepsPerEpoch,
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
  const norms = normsOf(options);
  const side = (norm: ComparedNorm, measure: Measure) => ({
    name: NORM_TITLES[norm],
    values: bySeed(results, { norm }, measure),
  });
  const compare = (
    claim: string,
    [norm, other]: readonly [ComparedNorm, ComparedNorm],
    measure: Measure,
  ) =>
    judge({
      claim,
      claimed: 'below',
      a: side(norm, measure),
      b: side(other, measure),
      ...(measure === lossGap ? {} : { digits: 2, unit: '%' }),
    });
  const { epochs } = sizeOf(options);
  const at = Array.from({ length: epochs }, (_, i) => i + 1);
  return {
    tables: [
      {
        caption: 'Means over the seeds with 95 % intervals',
        columns: ['norm', 'training error', 'test error', 'gap', 'gap of the losses'],
        rows: norms.map((norm) => [
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
          series: norms.map((norm) =>
            listCurve(NORM_TITLES[norm], select(results, { norm }), 'losses', at),
          ),
        },
      },
    ],
    verdicts: [
      ...norms
        .filter((norm) => norm === 'sync' || (norm !== 'none' && options.norms !== undefined))
        .flatMap((norm) => {
          const title = capitalized(NORM_TITLES[norm]);
          const pair = [norm, 'none'] as const;
          return [
            compare(`${title} narrows the gap between training and test error`, pair, errorGap),
            compare(`${title} narrows the gap between training and test loss`, pair, lossGap),
            compare(`${title} lowers the test error`, pair, testError),
          ];
        }),
      ...(norms.includes('sync') && norms.includes('group')
        ? [compare(NOISE_CLAIM, ['sync', 'group'], errorGap)]
        : []),
    ],
    notes: [
      'Both errors are those of evaluation, with running statistics, on the whole test set and ' +
        'on all training samples. There is no weight decay, dropout or augmentation.',
      'A gap can also be narrow because a net has not learned its training samples: compare it ' +
        'with the training error.',
    ],
  };
}

/** See docs/experiments/regularization.md. */
export const regularization: Experiment = {
  name: 'regularization',
  title: 'The gap between training and test',
  hypothesis:
    'On a small training set, batch norm narrows the gap between training and test error more ' +
    'than group norm does, since other samples of the batch add noise to its statistics.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 5, quickSeeds: 2 },
  choices: TRAINING_CHOICES,
  plan,
  nets,
  run,
  resultSchema: () =>
    resultWith(['testError', 'trainError', 'testLoss', 'trainLoss'], { losses: 1 }),
  analyse,
};
