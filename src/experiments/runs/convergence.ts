// Convergence: training loss of one plain net with and without batch normalization, at several
// learning rates, in short windows of steps. Also measures how steadily the losses fall. Ioffe and
// Szegedy 2015 claim faster convergence; Santurkar et al. 2018 claim a smoother path.

import { sgd } from '../../optim/optimizer.ts';
import {
  type ComparedNorm,
  normsAgainst,
  oneBatchFrom,
  stepsFrom,
  TRAINING_CHOICES,
} from '../engine/choices.ts';
import {
  batchAndSeedIn,
  bySeed,
  cell,
  judge,
  listCurve,
  listOf,
  type Measure,
  numberIn,
  numberOf,
  type SeedValues,
  select,
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
import { convNetWith, DEEP_STAGES, NORM_TITLES } from './plainNets.ts';
import { runsByNorm } from './runsByNorm.ts';

/** Learning rates of plain SGD, small to large. Variants are compared at the middle one. */
const RATES: Rates = [0.02, 0.1, 0.5];
type Rates = readonly [low: number, same: number, high: number];
/** The ratio between neighboring rates. */
const RATE_FACTOR = 5;

const FULL = { steps: 600, windowSteps: 20 };
const QUICK = { steps: 200, windowSteps: 20 };
/** 4 replicas keep up to 4 threads busy; the global batch is 32. */
const REPLICAS = 4;
const REPLICA_BATCH = 8;

/** What is compared. */
interface Compared {
  /** `none` and the norms compared with it. */
  readonly norms: readonly ComparedNorm[];
  readonly rates: Rates;
  readonly size: typeof FULL;
  readonly batch: { readonly replicas: number; readonly replicaBatch: number };
}

function comparedBy(options: ExperimentOptions): Compared {
  const { steps: own, windowSteps } = options.quick ? QUICK : FULL;
  const batch = { replicas: REPLICAS, replicaBatch: oneBatchFrom(options, REPLICA_BATCH) };
  const norms = normsAgainst(options, ['none', 'sync']);
  const { lr } = options;
  const scaled = (rate: number): number => Number(rate.toPrecision(6));
  const rates: Rates =
    lr === undefined ? RATES : [scaled(lr / RATE_FACTOR), lr, scaled(lr * RATE_FACTOR)];
  const steps = stepsFrom(options, REPLICAS * batch.replicaBatch, own);
  return { norms, rates, size: { steps, windowSteps }, batch };
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const { norms, rates, size, batch } = comparedBy(options);
  return runsByNorm(options, {
    norms,
    cases: rates.map((rate) => ({
      labelOf: (norm) => `${norm}, rate ${rate}`,
      settings: { rate },
    })),
    settings: { ...batch, ...size },
    costOf: (norm) => (norm === 'none' ? size.steps : 1.2 * size.steps),
  });
}

const nets = convNetWith(DEEP_STAGES);

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const curve = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      optimizer: sgd({ lr: numberIn(settings, 'rate') }),
      ...batchAndSeedIn(settings),
      steps: numberIn(settings, 'steps'),
      windowSteps: numberIn(settings, 'windowSteps'),
      evaluates: ['test'],
    },
    context,
  );
  return {
    values: { losses: curve.losses, testError: curve.test!.error },
    timings: { trainMs: curve.trainMs },
  };
}

/** The mean over all steps: the area under the curve, which is small if the loss falls early. */
const meanLoss: Measure = (result) => mean(listOf(result, 'losses'));
const testError: Measure = (result) => 100 * numberOf(result, 'testError');
/** The largest rise from one window to the next; 0 if the loss only falls. */
const largestRise: Measure = (result) => {
  const losses = listOf(result, 'losses');
  return losses.reduce((most, loss, i) => Math.max(most, loss - (losses[i - 1] ?? loss)), 0);
};

/** How far each seed's mean loss is from the median over the seeds (Brown and Forsythe 1974). */
function distances(values: SeedValues): SeedValues {
  const sorted = [...values.values()].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return new Map([...values].map(([seed, value]) => [seed, Math.abs(value - median)]));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The rate with the smallest mean loss over all seeds; undefined without results. */
function bestRate(
  results: readonly RunResult[],
  norm: ComparedNorm,
  among: Rates,
): number | undefined {
  const rates = among
    .map((rate) => ({
      rate,
      loss: mean([...bySeed(results, { norm, rate }, meanLoss).values()]),
    }))
    .filter(({ loss }) => Number.isFinite(loss));
  return rates.sort((a, b) => a.loss - b.loss)[0]?.rate;
}

const NOTES = [
  'Speed is measured by the mean loss over all steps, the area under the curve. Unlike the ' +
    'number of steps to a threshold, it is defined for runs that never reach one.',
  'The best rate is chosen by the mean loss over the same seeds, for both variants.',
  'The largest rise is that of the mean loss from one window to the next, in nats. Part of it ' +
    'is noise from the samples, which is the same for both variants.',
];

/** Returns the values of a measure by seed; empty without a rate. */
type ValuesAt = (norm: ComparedNorm, rate: number | undefined, measure: Measure) => SeedValues;

/** The rates of a norm and of `none`. */
type TwoRates = readonly [number | undefined, number | undefined];

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const at: ValuesAt = (norm, rate, measure) =>
    rate === undefined ? new Map() : bySeed(results, { norm, rate }, measure);
  const compared = comparedBy(options);
  const { norms, rates } = compared;
  const bestOf = (norm: ComparedNorm) => bestRate(results, norm, rates);
  return {
    tables: [tableOf(at, compared)],
    plots: [lossPlot(results, compared)],
    verdicts: norms
      .filter((norm) => norm !== 'none')
      .flatMap((norm) => verdictsOf(at, norm, [bestOf(norm), bestOf('none')], rates)),
    notes: NOTES,
  };
}

function tableOf(at: ValuesAt, { norms, rates }: Compared): AnalysisTable {
  return {
    caption: 'Means over the seeds with 95 % intervals',
    columns: ['norm', 'rate', 'mean loss of all steps', 'largest rise', 'test error'],
    rows: norms.flatMap((norm) =>
      rates.map((rate) => [
        NORM_TITLES[norm],
        rate,
        cell(at(norm, rate, meanLoss)),
        cell(at(norm, rate, largestRise)),
        cell(at(norm, rate, testError), 1, '%'),
      ]),
    ),
  };
}

function lossPlot(
  results: readonly RunResult[],
  { norms, rates, size: { windowSteps, steps } }: Compared,
): AnalysisPlot {
  const ends = Array.from({ length: Math.ceil(steps / windowSteps) }, (_, i) =>
    Math.min(steps, (i + 1) * windowSteps),
  );
  return {
    file: 'loss',
    caption: `Training loss in windows of ${windowSteps} steps, mean over the seeds`,
    plot: {
      title: 'Training loss with each norm and without',
      xLabel: 'steps',
      yLabel: 'cross-entropy',
      yScale: 'log',
      series: norms.flatMap((norm) =>
        rates.map((rate) => {
          const runs = select(results, { norm, rate });
          const name = `${NORM_TITLES[norm]}, rate ${rate}`;
          const style = norm === 'none' ? ('dashed' as const) : ('solid' as const);
          return { ...listCurve(name, runs, 'losses', ends), style };
        }),
      ),
    },
  };
}

function verdictsOf(
  at: ValuesAt,
  norm: ComparedNorm,
  best: TwoRates,
  [, same, high]: Rates,
): readonly ClaimVerdict[] {
  const title = NORM_TITLES[norm];
  const side = (norm: ComparedNorm, rate: number | undefined, measure: Measure) => ({
    name: `${NORM_TITLES[norm]}${rate === undefined ? '' : ` at rate ${rate}`}`,
    values: at(norm, rate, measure),
  });
  const compare = (claim: string, measure: Measure, [rate, without]: TwoRates) =>
    judge({
      claim,
      claimed: 'below',
      a: side(norm, rate, measure),
      b: side('none', without, measure),
    });
  const spread = (norm: ComparedNorm): SeedValues => distances(at(norm, same, meanLoss));
  return [
    compare(`At the same learning rate of ${same}, ${title} converges faster`, meanLoss, [
      same,
      same,
    ]),
    compare(`With each at its own best rate, ${title} converges faster`, meanLoss, best),
    compare(`With each at its own best rate, ${title} has the lower test error`, testError, best),
    compare(`At the high rate of ${high}, ${title} has the lower loss`, meanLoss, [high, high]),
    compare(`At rate ${same}, the loss rises less with ${title}`, largestRise, [same, same]),
    judge({
      claim: `At rate ${same}, the seeds agree more with ${title}`,
      claimed: 'below',
      a: { name: `distance from the median, ${title}`, values: spread(norm) },
      b: { name: NORM_TITLES.none, values: spread('none') },
    }),
  ];
}

/** See docs/experiments/convergence.md. */
export const convergence: Experiment = {
  name: 'convergence',
  title: 'Convergence with batch norm and without',
  hypothesis:
    'Batch norm lowers the loss in fewer steps, at the same learning rate and with each at its ' +
    'best one, and the loss rises less along the way.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 5, quickSeeds: 2 },
  choices: TRAINING_CHOICES,
  plan,
  nets,
  run,
  resultSchema: () => resultWith(['testError'], { losses: 1 }),
  analyse,
};
