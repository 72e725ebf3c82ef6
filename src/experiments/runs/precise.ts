// Statistics for evaluation: compares the running averages of training with population statistics
// (PreciseBN, Wu and Johnson 2021) and with statistics that count in the evaluated sample (after
// EvalNorm, Singh and Shrivastava 2019). Each net is trained once and evaluated in several ways.

import type { LayerSpec } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import { batchesFrom, netSettings, netWith, TRAINING_CHOICES } from '../engine/choices.ts';
import {
  bySeed,
  cell,
  curve,
  judge,
  type Measure,
  numberIn,
  numberOf,
  type SeedValues,
  seedsOf,
} from '../engine/compare.ts';
import type {
  Analysis,
  Experiment,
  ExperimentOptions,
  NetContext,
  PlainRecord,
  RunContext,
  RunResult,
  RunSpec,
} from '../engine/experiment.ts';
import type { RunValues } from '../engine/resultSchema.ts';
import { resultWith } from '../engine/resultSchema.ts';
import { epochsIn } from '../engine/samples.ts';
import { evaluateCountedIn } from './countedIn.ts';
import { trainCurve } from './lossCurve.ts';
import { LONG_STAGES, plainConvNet, purposeOf } from './plainNets.ts';

const WAYS = ['running', 'precise', 'corrected'] as const;
type Way = (typeof WAYS)[number];
const TITLES: Readonly<Record<Way, string>> = {
  running: 'running averages',
  precise: 'PreciseBN',
  corrected: 'sample counted in',
};

const REPLICAS = 8;
const FULL = { batches: [2, 4, 8, 16], samples: 12_000, epochs: 5 };
const QUICK = { batches: [2, 8], samples: 3200, epochs: 4 };
/** Learning rate for batches of 16. It is constant, as in the middle of a longer training run. */
const RATE = 0.05;
const RATE_BATCH = 16;
const MOMENTUM = 0.9;
/** Batches that PreciseBN measures statistics on. */
const MEASURED_BATCHES = 100;
const WINDOW_STEPS = 50;

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const { samples, ...own } = options.quick ? QUICK : FULL;
  const { epochs = own.epochs } = options;
  const batches = batchesFrom(options, own.batches).toReversed();
  const rate = options.lr ?? RATE;
  const rateBatch = options.lr === undefined ? RATE_BATCH : batches.at(-1)!;
  return seedsOf(options).flatMap((seed) =>
    batches.map((replicaBatch) => ({
      label: `batch ${REPLICAS} x ${replicaBatch}, seed ${seed}`,
      settings: {
        data: options.data,
        ...netSettings(options),
        replicas: REPLICAS,
        replicaBatch,
        rate: (rate * replicaBatch) / rateBatch,
        samples,
        epochs,
        measuredBatches: MEASURED_BATCHES,
        seed,
      },
      cost: samples * epochs * (1 + 1 / replicaBatch),
    })),
  );
}

function nets(_settings: PlainRecord, context: NetContext): readonly LayerSpec[] {
  const { dataset } = context;
  return [
    netWith(context, 'local', () =>
      plainConvNet({ ...purposeOf(dataset), norm: 'local', stages: LONG_STAGES }),
    ),
  ];
}

async function run({ settings }: RunSpec, context: RunContext): Promise<RunValues> {
  const { training } = epochsIn(settings, context.dataset);
  const errors: Record<Way, number> = { running: 0, precise: 0, corrected: 0 };
  const result = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      ...training,
      optimizer: sgd({ lr: numberIn(settings, 'rate'), momentum: MOMENTUM }),
      windowSteps: WINDOW_STEPS,
      async atEnd(trainer) {
        errors.running = await errorOf(trainer);
        const { accuracy } = await evaluateCountedIn(trainer, training.dataset);
        errors.corrected = 100 * (1 - accuracy);
        await trainer.preciseBatchNorm({ batches: numberIn(settings, 'measuredBatches') });
        errors.precise = await errorOf(trainer);
      },
    },
    context,
  );
  return {
    values: { ...errors, trainLoss: result.losses.at(-1)! },
    timings: { trainMs: result.trainMs },
  };
}

async function errorOf(trainer: Trainer): Promise<number> {
  const { accuracy } = await trainer.evaluate('test');
  return 100 * (1 - accuracy);
}

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const own = options.quick ? QUICK : FULL;
  const batches = batchesFrom(options, own.batches).toReversed();
  const [smallest, largest] = [batches[0]!, batches.at(-1)!];
  const measure =
    (way: Way): Measure =>
    (result) =>
      numberOf(result, way);
  const errors = (way: Way, replicaBatch: number): SeedValues =>
    bySeed(results, { replicaBatch }, measure(way));
  const side = (way: Way, batch: number) => ({ name: TITLES[way], values: errors(way, batch) });
  const better = (way: Way, batch: number, claim: string) =>
    judge({
      claim,
      a: side(way, batch),
      b: side('running', batch),
      claimed: 'below',
      digits: 2,
      unit: '%',
    });
  return {
    tables: [
      {
        caption: 'Test error in % by the statistics in evaluation, 95 % intervals over the seeds',
        columns: ['per-replica batch size', ...WAYS.map((way) => TITLES[way])],
        rows: batches.map((batch) => [batch, ...WAYS.map((way) => cell(errors(way, batch), 2))]),
      },
    ],
    plots: [
      {
        file: 'error',
        caption: 'Test error of local batch norm by per-replica batch size.',
        plot: {
          title: 'Evaluation statistics of local batch norm',
          xLabel: 'per-replica batch size',
          yLabel: 'test error, %',
          xScale: 'category',
          series: WAYS.map((way) =>
            curve(
              TITLES[way],
              batches.toReversed().map((x) => ({ x, values: [...errors(way, x).values()] })),
            ),
          ),
        },
      },
    ],
    verdicts: [
      better('precise', smallest, `At batch ${smallest}, PreciseBN has the lower error`),
      better(
        'corrected',
        smallest,
        `At batch ${smallest}, counting the sample in has the lower error`,
      ),
      ...(largest === smallest
        ? []
        : [better('precise', largest, `At batch ${largest}, PreciseBN has the lower error`)]),
      judge({
        claim: `At batch ${smallest}, counting the sample in has a lower error than PreciseBN`,
        a: side('corrected', smallest),
        b: side('precise', smallest),
        claimed: 'below',
        digits: 2,
        unit: '%',
      }),
    ],
    notes: [
      'All values in a row use the same weights and test samples. The learning rate does not ' +
        'fall, because running averages lag most while weights still move.',
      `PreciseBN measures mean and variance of ${MEASURED_BATCHES} training batches with the ` +
        'final weights. In training, a sample has the weight 1 / batch in the statistics that ' +
        'normalize it. Running averages leave it out; the correction counts it in with that ' +
        'weight.',
    ],
  };
}

/** See docs/experiments/precise.md. */
export const precise: Experiment = {
  name: 'precise',
  title: 'Running averages, PreciseBN and a correction for small batches',
  hypothesis:
    'With few samples per replica, evaluation with running averages is off. Measuring the ' +
    'population statistics, or counting the evaluated sample in, lowers the error.',
  defaults: { data: 'fashion-mnist', quickData: 'fashion-mnist', seeds: 5, quickSeeds: 3 },
  choices: {
    ...TRAINING_CHOICES,
    norms: 'only batch norm keeps running statistics, and only local ones are noisy',
  },
  plan,
  nets,
  run,
  resultSchema: () => resultWith([...WAYS, 'trainLoss']),
  analyse,
};
