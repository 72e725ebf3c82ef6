// Convergence: training loss of one plain net with batch normalization and without, for some
// learning rates, in short windows of steps. Says too how steadily the losses fall. Ioffe and
// Szegedy 2015 claim the faster convergence; Santurkar et al. 2018 the smoother way.

import { sgd } from '../../optim/optimizer.ts';
import {
  bySeed,
  cell,
  choiceIn,
  judge,
  listCurve,
  listOf,
  type Measure,
  numberIn,
  numberOf,
  type SeedValues,
  seedsOf,
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
import { DEEP_STAGES, NORM_TITLES, plainConvNet, purposeOf } from './plainNets.ts';

const NORMS = ['none', 'sync'] as const;
type Norm = (typeof NORMS)[number];

/** Learning rates of plain SGD, small to large; the middle one is where both are compared. */
const RATES = [0.02, 0.1, 0.5] as const;
const SAME_RATE = 0.1;
const HIGH_RATE = 0.5;

const FULL = { steps: 600, windowSteps: 20 };
const QUICK = { steps: 200, windowSteps: 20 };
/** 4 replicas keep up to 4 threads busy; together 32 samples. */
const BATCH = { replicas: 4, replicaBatch: 8 };

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const size = options.quick ? QUICK : FULL;
  return seedsOf(options).flatMap((seed) =>
    RATES.flatMap((rate) =>
      NORMS.map((norm) => ({
        label: `${NORM_TITLES[norm]}, rate ${rate}, seed ${seed}`,
        settings: { data: options.data, norm, rate, ...BATCH, ...size, seed },
        cost: norm === 'none' ? size.steps : 1.2 * size.steps,
      })),
    ),
  );
}

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const norm = choiceIn(settings, 'norm', NORMS);
  const model = plainConvNet({ ...purposeOf(context.dataset), norm, stages: DEEP_STAGES });
  const curve = await trainCurve(
    {
      model,
      optimizer: sgd({ lr: numberIn(settings, 'rate') }),
      replicas: numberIn(settings, 'replicas'),
      replicaBatch: numberIn(settings, 'replicaBatch'),
      steps: numberIn(settings, 'steps'),
      windowSteps: numberIn(settings, 'windowSteps'),
      seed: numberIn(settings, 'seed'),
      evaluates: ['test'],
    },
    context,
  );
  return {
    values: { losses: curve.losses, testError: curve.test!.error },
    timings: { trainMs: curve.trainMs },
  };
}

/** The mean over all steps: the area under the curve, which is small where the loss falls early.
 * */
const meanLoss: Measure = (result) => mean(listOf(result, 'losses'));
const testError: Measure = (result) => 100 * numberOf(result, 'testError');
/** The largest rise from a window to the next, 0 where the loss only falls. */
const largestRise: Measure = (result) => {
  const losses = listOf(result, 'losses');
  return losses.reduce((most, loss, i) => Math.max(most, loss - (losses[i - 1] ?? loss)), 0);
};

/** How far each seed's mean loss lies from the median over the seeds (Brown and Forsythe 1974). */
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
function bestRate(results: readonly RunResult[], norm: Norm): number | undefined {
  const rates = RATES.map((rate) => ({
    rate,
    loss: mean([...bySeed(results, { norm, rate }, meanLoss).values()]),
  })).filter(({ loss }) => Number.isFinite(loss));
  return rates.sort((a, b) => a.loss - b.loss)[0]?.rate;
}

const NOTES = [
  'How fast is measured by the mean loss over all steps, the area under the curve: unlike ' +
    'the steps to a threshold it is defined for runs that never reach one.',
  'A best rate is chosen by the mean loss over the same seeds, for both variants alike.',
  'The largest rise is that of the mean loss from one window to the next, in nats; some of ' +
    'it is the noise of the samples, which is the same for both variants.',
];

/** What a measure gave, by seed; empty without a rate. */
type ValuesAt = (norm: Norm, rate: number | undefined, measure: Measure) => SeedValues;

/** The rate of each norm. */
type Rates = Readonly<Record<Norm, number | undefined>>;

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const at: ValuesAt = (norm, rate, measure) =>
    rate === undefined ? new Map() : bySeed(results, { norm, rate }, measure);
  const best = { none: bestRate(results, 'none'), sync: bestRate(results, 'sync') };
  return {
    tables: [tableOf(at)],
    plots: [lossPlot(results, options)],
    verdicts: verdictsOf(at, best),
    notes: NOTES,
  };
}

function tableOf(at: ValuesAt): AnalysisTable {
  return {
    caption: 'Means over the seeds with 95 % intervals',
    columns: ['norm', 'rate', 'mean loss of all steps', 'largest rise', 'test error'],
    rows: NORMS.flatMap((norm) =>
      RATES.map((rate) => [
        NORM_TITLES[norm],
        rate,
        cell(at(norm, rate, meanLoss)),
        cell(at(norm, rate, largestRise)),
        cell(at(norm, rate, testError), 1, '%'),
      ]),
    ),
  };
}

function lossPlot(results: readonly RunResult[], options: ExperimentOptions): AnalysisPlot {
  const { windowSteps, steps } = options.quick ? QUICK : FULL;
  const ends = Array.from({ length: steps / windowSteps }, (_, i) => (i + 1) * windowSteps);
  return {
    file: 'loss',
    caption: `Training loss in windows of ${windowSteps} steps, mean over the seeds`,
    plot: {
      title: 'Training loss with batch norm and without',
      xLabel: 'steps',
      yLabel: 'cross-entropy',
      yScale: 'log',
      series: NORMS.flatMap((norm) =>
        RATES.map((rate) => {
          const runs = select(results, { norm, rate });
          const name = `${NORM_TITLES[norm]}, rate ${rate}`;
          const style = norm === 'none' ? ('dashed' as const) : ('solid' as const);
          return { ...listCurve(name, runs, 'losses', ends), style };
        }),
      ),
    },
  };
}

function verdictsOf(at: ValuesAt, best: Rates): readonly ClaimVerdict[] {
  const side = (norm: Norm, rate: number | undefined, measure: Measure) => ({
    name: `${NORM_TITLES[norm]}${rate === undefined ? '' : ` at rate ${rate}`}`,
    values: at(norm, rate, measure),
  });
  const compare = (claim: string, measure: Measure, rates: Rates) =>
    judge({
      claim,
      claimed: 'below',
      a: side('sync', rates.sync, measure),
      b: side('none', rates.none, measure),
    });
  const same = { none: SAME_RATE, sync: SAME_RATE };
  const high = { none: HIGH_RATE, sync: HIGH_RATE };
  const spread = (norm: Norm): SeedValues => distances(at(norm, SAME_RATE, meanLoss));
  return [
    compare(
      `At the same learning rate of ${SAME_RATE} batch norm converges faster`,
      meanLoss,
      same,
    ),
    compare('With each at its own best rate batch norm converges faster', meanLoss, best),
    compare('With each at its own best rate batch norm has the lower test error', testError, best),
    compare(`At the high rate of ${HIGH_RATE} batch norm has the lower loss`, meanLoss, high),
    compare(`At rate ${SAME_RATE} the loss rises less with batch norm`, largestRise, same),
    judge({
      claim: `At rate ${SAME_RATE} the seeds agree more with batch norm`,
      claimed: 'below',
      a: { name: 'distance from the median, batch norm', values: spread('sync') },
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
    'best one, and the loss rises less on its way.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 5, quickSeeds: 2 },
  plan,
  run,
  resultSchema: () => resultWith(['testError'], { losses: 1 }),
  analyse,
};
