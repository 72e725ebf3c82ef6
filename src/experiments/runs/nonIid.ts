// Non-IID replicas: local batch norm, SyncBN and group norm when each replica sees all classes, its
// own mixture of classes (Hsu, Qi and Brown 2019), or few classes (McMahan et al. 2017). The
// training samples are also evaluated, to separate the cost of evaluation from that of training.

import type { LayerSpec } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import { cosine } from '../../optim/schedule.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import type { SplitName } from '../../train/context.ts';
import { netSettings, oneBatchFrom, TRAINING_CHOICES } from '../engine/choices.ts';
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
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
  ClaimVerdict,
  Experiment,
  ExperimentOptions,
  NetContext,
  PlainRecord,
  RunContext,
  RunResult,
  RunSpec,
} from '../engine/experiment.ts';
import { type RunValues, resultWith } from '../engine/resultSchema.ts';
import { epochsIn } from '../engine/samples.ts';
import { trainCurve } from './lossCurve.ts';
import { capitalized, REPLICA_NORM_TITLES } from './plainNets.ts';
import { smallBatchNet } from './smallBatchSetup.ts';

const NORMS = ['local', 'sync', 'group'] as const;
type Norm = (typeof NORMS)[number];

const SHARDS = ['iid', 'dirichlet:0.3', 'by-class'] as const;
type Kind = (typeof SHARDS)[number];

const REPLICAS = 8;
const REPLICA_BATCH = 4;
const FULL = { samples: 8000, epochs: 8 };
const QUICK = { samples: 2000, epochs: 4 };
const RATE = 0.0125;
const MOMENTUM = 0.9;
/** Batches that PreciseBN measures statistics on. */
const MEASURED_BATCHES = 75;
/** Differences up to this many percentage points count as equal. */
const SAME_POINTS = 1;

function sizeFor({ quick, epochs, facts }: ExperimentOptions): typeof FULL {
  const own = quick ? QUICK : FULL;
  return {
    samples: Math.min(own.samples, facts?.countTrain ?? own.samples),
    epochs: epochs ?? own.epochs,
  };
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const replicaBatch = oneBatchFrom(options, REPLICA_BATCH);
  return seedsOf(options).flatMap((seed) =>
    SHARDS.flatMap((shards) =>
      NORMS.map((norm) => ({
        label: `${REPLICA_NORM_TITLES[norm]}, ${shards}, seed ${seed}`,
        settings: {
          data: options.data,
          ...netSettings(options),
          norm,
          shards,
          replicas: REPLICAS,
          replicaBatch,
          rate: options.lr ?? RATE,
          measuredBatches: MEASURED_BATCHES,
          ...sizeFor(options),
          seed,
        },
        cost: 1,
      })),
    ),
  );
}

function nets(settings: PlainRecord, context: NetContext): readonly LayerSpec[] {
  return [smallBatchNet(context, choiceIn(settings, 'norm', NORMS))];
}

async function run({ settings }: RunSpec, context: RunContext): Promise<RunValues> {
  const norm = choiceIn(settings, 'norm', NORMS);
  const { training, stepsPerEpoch } = epochsIn(settings, context.dataset);
  const values: Record<string, number> = {};
  const result = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      ...training,
      optimizer: sgd({ lr: numberIn(settings, 'rate'), momentum: MOMENTUM }),
      schedule: cosine(),
      shards: choiceIn(settings, 'shards', SHARDS),
      windowSteps: stepsPerEpoch,
      onProgress({ kind, accuracy }) {
        if (kind === 'epoch') values.trainingError = 1 - accuracy;
      },
      async atEnd(trainer) {
        values.trainError = await errorOf(trainer, 'train');
        values.testError = await errorOf(trainer, 'test');
        if (norm === 'group') return;
        await trainer.preciseBatchNorm({ batches: numberIn(settings, 'measuredBatches') });
        values.preciseError = await errorOf(trainer, 'test');
      },
    },
    context,
  );
  return { values, timings: { trainMs: result.trainMs } };
}

async function errorOf(trainer: Trainer, split: SplitName): Promise<number> {
  const { accuracy } = await trainer.evaluate(split);
  return 1 - accuracy;
}

const percent =
  (name: string): Measure =>
  (result) =>
    100 * numberOf(result, name);

/** The measures, in %. */
const MEASURES = {
  test: percent('testError'),
  training: percent('trainingError'),
  train: percent('trainError'),
  precise: percent('preciseError'),
  /** How much larger the training samples' error is with running statistics. */
  gap: (result: RunResult) => percent('trainError')(result) - percent('trainingError')(result),
} satisfies Record<string, Measure>;

type MeasureName = keyof typeof MEASURES;
type Measured = (measure: MeasureName, norm: Norm, shards: Kind) => SeedValues;

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const { samples, epochs } = sizeFor(options);
  const net = options.net === undefined ? 'that of small-batch' : options.net.name;
  const of: Measured = (measure, norm, shards) =>
    bySeed(results, { norm, shards }, MEASURES[measure]);
  return {
    tables: [
      {
        caption: 'Test error in %, means over the seeds with 95 % intervals',
        columns: ['norm', ...SHARDS],
        rows: NORMS.map((norm) => [
          REPLICA_NORM_TITLES[norm],
          ...SHARDS.map((shards) => cell(of('test', norm, shards), 2)),
        ]),
      },
      {
        caption:
          'Error in % on the same training samples, during the last epoch and in evaluation; and ' +
          'the test error with the statistics of PreciseBN',
        columns: ['norm', 'shards', 'in training', 'evaluated', 'gap', 'test, PreciseBN'],
        rows: NORMS.flatMap((norm) =>
          SHARDS.map((shards) => [
            REPLICA_NORM_TITLES[norm],
            shards,
            ...(['training', 'train', 'gap'] as const).map((name) =>
              cell(of(name, norm, shards), 2),
            ),
            norm === 'group' ? '-' : cell(of('precise', norm, shards), 2),
          ]),
        ),
      },
    ],
    plots: plotsOf(of),
    verdicts: verdictsOf(of),
    notes: [
      `${samples} samples of ${options.data} for ${epochs} epochs on ${REPLICAS} replicas of ` +
        `${oneBatchFrom(options, REPLICA_BATCH)} samples; SGD with momentum ${MOMENTUM}, rate ` +
        `${options.lr ?? RATE}, a cosine schedule. The net is ${net}.`,
      'iid: every replica sees all classes. dirichlet:0.3: each draws a mixture of the classes. ' +
        'by-class: samples are sorted by class and cut, so that a replica has one or two of ten. ' +
        'The classes of a global batch are the same in all three, up to chance.',
      'In training, local batch norm normalizes a sample with others of its classes, which tells ' +
        'the net the class. In evaluation, it uses the running statistics of all replicas. The ' +
        'gap between the two errors on the same training samples shows the cost; it includes ' +
        'that the weights still move a little during the last epoch.',
      `PreciseBN measures mean and variance over all samples of ${MEASURED_BATCHES} batches ` +
        'with the final weights.',
    ],
  };
}

function plotsOf(of: Measured): readonly AnalysisPlot[] {
  const axes = { xLabel: 'shards', xScale: 'category' as const, yLabel: 'error, %' };
  const line = (name: string, measure: MeasureName, norm: Norm) =>
    curve(
      name,
      SHARDS.map((shards, x) => ({ x: x + 1, values: [...of(measure, norm, shards).values()] })),
    );
  const places = SHARDS.map((shards, x) => `${x + 1} is ${shards}`).join(', ');
  return [
    {
      file: 'non-iid',
      caption: `Test error by what the replicas see: ${places}.`,
      plot: {
        ...axes,
        title: 'The cost of shards with few classes',
        series: NORMS.map((norm) => line(REPLICA_NORM_TITLES[norm], 'test', norm)),
      },
    },
    {
      file: 'evaluation',
      caption: `Local batch norm on its training samples, and PreciseBN: ${places}.`,
      plot: {
        ...axes,
        title: 'Training goes well, evaluation does not',
        series: [
          line('in training', 'training', 'local'),
          line('evaluated, running statistics', 'train', 'local'),
          line('test, running statistics', 'test', 'local'),
          line('test, PreciseBN', 'precise', 'local'),
        ],
      },
    },
  ];
}

function verdictsOf(of: Measured): readonly ClaimVerdict[] {
  const shown = { digits: 2, unit: '%' } as const;
  const side = (norm: Norm, shards: Kind, measure: MeasureName = 'test') => ({
    name: `${REPLICA_NORM_TITLES[norm]}, ${shards}`,
    values: of(measure, norm, shards),
  });
  const above = (claim: string, a: ReturnType<typeof side>, b: ReturnType<typeof side>) =>
    judge({ claim, a, b, claimed: 'above', ...shown });
  const flat = (norm: Norm): ClaimVerdict =>
    judgeSame({
      claim:
        `${capitalized(REPLICA_NORM_TITLES[norm])} by class has the same error as with iid ` +
        `shards, within ${SAME_POINTS} point`,
      a: side(norm, 'by-class'),
      b: side(norm, 'iid'),
      margin: SAME_POINTS,
      ...shown,
    });
  return [
    above(
      'By class, local batch norm has a larger error than with iid shards',
      side('local', 'by-class'),
      side('local', 'iid'),
    ),
    above(
      'By class, local batch norm has a larger error than SyncBN',
      side('local', 'by-class'),
      side('sync', 'by-class'),
    ),
    above(
      'Mixtures already cost local batch norm accuracy, compared with iid shards',
      side('local', 'dirichlet:0.3'),
      side('local', 'iid'),
    ),
    flat('sync'),
    flat('group'),
    above(
      'Evaluation with running statistics is what suffers: by class, it raises the error on the ' +
        'training samples more than with iid shards',
      side('local', 'by-class', 'gap'),
      side('local', 'iid', 'gap'),
    ),
    above(
      'By class, exact population statistics (PreciseBN) lower the error of local batch norm',
      side('local', 'by-class'),
      { ...side('local', 'by-class', 'precise'), name: 'with PreciseBN' },
    ),
  ];
}

/** See docs/experiments/non-iid.md. */
export const nonIid: Experiment = {
  name: 'non-iid',
  title: 'Replicas that see few classes: local batch norm, SyncBN and group norm',
  hypothesis:
    'If each replica sees few classes, local batch norm trains well but evaluates badly, since ' +
    'its running statistics match no batch that it has seen. SyncBN and group norm are unaffected.',
  defaults: { data: 'fashion-mnist', quickData: 'fashion-mnist', seeds: 5, quickSeeds: 2 },
  choices: {
    ...TRAINING_CHOICES,
    norms: 'its claims are about local batch norm, SyncBN and group norm',
  },
  plan,
  nets,
  run,
  resultSchema: ({ norm }) =>
    resultWith([
      'testError',
      'trainError',
      'trainingError',
      ...(norm === 'group' ? [] : ['preciseError']),
    ]),
  analyse,
};
