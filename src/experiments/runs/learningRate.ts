// Learning rate: the largest rate of plain SGD that still trains a net, with and without batch
// normalization, on a grid of powers of 2. A rate trains the net if the loss at the end of a short
// run is below a certain share of ln(classes), the loss of guessing.

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
  curve,
  judge,
  type Measure,
  numberIn,
  numberOf,
  type SeedValues,
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
import { capitalized, convNetWith, NORM_TITLES, purposeOf, SHALLOW_STAGES } from './plainNets.ts';
import { runsByNorm } from './runsByNorm.ts';

/** Exponents of 2. */
const FULL = { from: -5, to: 4, stepOf: 0.5, steps: 160, tailSteps: 40 };
const QUICK = { from: -4, to: 4, stepOf: 1, steps: 100, tailSteps: 25 };
const REPLICAS = 4;
const REPLICA_BATCH = 8;
/** The final loss must be below this share of the loss of guessing. */
const TRAINED_SHARE = 0.5;

function exponentsOf(options: ExperimentOptions): readonly number[] {
  const { from, to, stepOf } = options.quick ? QUICK : FULL;
  return Array.from({ length: (to - from) / stepOf + 1 }, (_, i) => from + i * stepOf);
}

/** `none` and the norms compared with it. */
function normsOf(options: ExperimentOptions): readonly ComparedNorm[] {
  return normsAgainst(options, ['none', 'sync']);
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const { steps: own, tailSteps } = options.quick ? QUICK : FULL;
  const replicaBatch = oneBatchFrom(options, REPLICA_BATCH);
  const steps = stepsFrom(options, REPLICAS * replicaBatch, own);
  const batch = { replicas: REPLICAS, replicaBatch };
  return runsByNorm(options, {
    norms: normsOf(options),
    cases: exponentsOf(options).map((exponent) => ({
      labelOf: (norm) => `${norm}, rate 2^${exponent}`,
      settings: { exponent },
    })),
    settings: { ...batch, steps, tailSteps },
    costOf: () => steps,
  });
}

const nets = convNetWith(SHALLOW_STAGES);

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const { classes } = purposeOf(context.dataset);
  const curveOfRun = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      optimizer: sgd({ lr: 2 ** numberIn(settings, 'exponent') }),
      ...batchAndSeedIn(settings),
      steps: numberIn(settings, 'steps'),
      windowSteps: numberIn(settings, 'tailSteps'),
    },
    context,
  );
  const loss = curveOfRun.losses.at(-1)!;
  return {
    values: { loss, guessing: Math.log(classes) },
    timings: { trainMs: curveOfRun.trainMs },
  };
}

/** The final loss as a share of the loss of guessing. */
const lossShare: Measure = (result) => numberOf(result, 'loss') / numberOf(result, 'guessing');

/** For each seed, the exponent of the largest rate that trained together with all smaller ones on
 * the grid. Seeds without one are omitted. A rate that trains above one that fails counts as
 * luck. */
function largestExponents(results: readonly RunResult[], norm: ComparedNorm): SeedValues {
  const runs = results
    .filter(({ settings }) => settings.norm === norm)
    .map((result) => ({
      seed: numberIn(result.settings, 'seed'),
      exponent: numberIn(result.settings, 'exponent'),
      isTrained: lossShare(result) < TRAINED_SHARE,
    }))
    .sort((a, b) => a.seed - b.seed || a.exponent - b.exponent);
  const largest = new Map<number, number>();
  const failed = new Set<number>();
  for (const { seed, exponent, isTrained } of runs) {
    if (!isTrained) failed.add(seed);
    else if (!failed.has(seed)) largest.set(seed, exponent);
  }
  return largest;
}

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const exponents = exponentsOf(options);
  const top = exponents.at(-1)!;
  const norms = normsOf(options);
  const largest = new Map(norms.map((norm) => [norm, largestExponents(results, norm)] as const));
  const sharesAt = (norm: ComparedNorm, exponent: number): readonly number[] => [
    ...bySeed(results, { norm, exponent }, lossShare).values(),
  ];
  const trainedAt = (norm: ComparedNorm, exponent: number): string => {
    const shares = sharesAt(norm, exponent);
    if (shares.length === 0) return '-';
    return `${shares.filter((share) => share < TRAINED_SHARE).length} of ${shares.length}`;
  };
  const atTop = norms.filter((norm) => [...largest.get(norm)!.values()].includes(top));
  return {
    tables: [
      {
        caption: 'Seeds that train at a rate',
        columns: ['rate', ...norms.map((norm) => NORM_TITLES[norm])],
        rows: exponents.map((exponent) => [
          (2 ** exponent).toPrecision(3),
          ...norms.map((norm) => trainedAt(norm, exponent)),
        ]),
      },
    ],
    plots: [
      {
        file: 'loss-by-rate',
        caption: 'Loss at the end as a share of that of guessing, mean over the seeds',
        plot: {
          title: 'Loss after a short training by learning rate',
          xLabel: 'learning rate',
          yLabel: 'loss / ln(classes)',
          xScale: 'log',
          yScale: 'log',
          series: norms.map((norm) =>
            curve(
              NORM_TITLES[norm],
              exponents.map((exponent) => ({ x: 2 ** exponent, values: sharesAt(norm, exponent) })),
            ),
          ),
        },
      },
    ],
    verdicts: norms
      .filter((norm) => norm !== 'none')
      .map((norm) =>
        judge({
          claim: `${capitalized(NORM_TITLES[norm])} trains at larger learning rates`,
          a: {
            name: `log2 of the largest rate, ${NORM_TITLES[norm]}`,
            values: largest.get(norm)!,
          },
          b: { name: NORM_TITLES.none, values: largest.get('none')! },
          claimed: 'above',
          digits: 2,
        }),
      ),
    notes: [
      `A rate trains when the mean loss of the last steps is below ${TRAINED_SHARE} ln(classes), ` +
        'half that of guessing. A loss that is not a number counts as very large.',
      'The largest rate that trains is the last one before the first that does not.',
      ...atTop.map(
        (norm) =>
          `With ${NORM_TITLES[norm]}, some seeds train at the largest rate of the grid, ` +
          `${2 ** top}, so their value is a lower bound.`,
      ),
    ],
  };
}

/** See docs/experiments/learning-rate.md. */
export const learningRate: Experiment = {
  name: 'learning-rate',
  title: 'The largest learning rate that trains',
  hypothesis: 'With batch norm, a net still trains at learning rates at which it fails without.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 4, quickSeeds: 2 },
  choices: { ...TRAINING_CHOICES, lr: 'it looks for the largest that trains' },
  plan,
  nets,
  run,
  resultSchema: () => resultWith(['loss', 'guessing']),
  analyse,
};
