// What would other systems compute? Compares their rules, imitated in float32, and this library on
// threads with the exact result: on even, uneven, small and empty shards, and with means much
// larger than the standard deviation. There is no training.

import { UsageError } from '../../base/errors.ts';
import type { PlotSeries } from '../../report/plot.ts';
import {
  bySeed,
  constantSide,
  judge,
  type Measure,
  numberIn,
  numberOf,
  type SeedValues,
  seedsOf,
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
  AnalysisTable,
  ClaimVerdict,
  Experiment,
  ExperimentOptions,
  PlainRecord,
  RunResult,
  RunSpec,
} from '../engine/experiment.ts';
import { type RunValues, resultWith } from '../engine/resultSchema.ts';
import { CONVENTIONS, type Convention } from '../peers/conventions.ts';
import { ERROR_LIMIT, ERRORS, type ErrorName, errorsOf, OURS } from '../peers/errors.ts';

/** Batches on four ranks: values per channel on each rank, and the spread of the rank means. */
const CASES = {
  even: { rows: '64 64 64 64', mean: 0, spread: 0, title: 'even shards' },
  uneven: { rows: '5 120 40 91', mean: 0, spread: 1, title: 'uneven shards, unlike ranks' },
  small: { rows: '2 2 2 2', mean: 0, spread: 0, title: 'two values on each rank' },
  empty: { rows: '40 0 24 0', mean: 0, spread: 0, title: 'ranks without values' },
} as const;
type CaseName = keyof typeof CASES;

/** In standard deviations. */
const MEANS = [1, 10, 100, 1000, 10_000, 100_000];
const LARGE_MEAN = 10_000;
const CHANNELS = 16;
const CASE_NAMES = Object.keys(CASES) as CaseName[];
const TITLES: Readonly<Record<ErrorName, string>> = {
  mean: 'mean, in std',
  variance: 'variance, share',
  output: 'output',
  runningVar: 'running variance, share',
  gradient: 'gradient, share',
};

function conventionsOf({ conventions }: ExperimentOptions): readonly Convention[] {
  if (conventions === undefined) return CONVENTIONS;
  return conventions.map((given) => {
    const found = CONVENTIONS.find(({ name }) => name === given);
    if (found !== undefined) return found;
    const allowed = CONVENTIONS.map(({ name }) => name).join(', ');
    throw new UsageError({ what: '--conventions', given, allowed });
  });
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  // Rejects unknown names.
  conventionsOf(options);
  return seedsOf(options).flatMap((seed) => [
    ...CASE_NAMES.map((name) => {
      const { title, ...batch } = CASES[name];
      return specOf(`${title}, seed ${seed}`, { case: name, ...batch, seed });
    }),
    ...MEANS.map((mean) => {
      const { rows, spread } = CASES.even;
      return specOf(`mean ${mean}, seed ${seed}`, { case: 'mean', rows, mean, spread, seed });
    }),
  ]);
}

function specOf(label: string, settings: PlainRecord): RunSpec {
  return { label, settings: { ...settings, channels: CHANNELS }, cost: 1 };
}

async function run({ settings }: RunSpec): Promise<RunValues> {
  const startMs = performance.now();
  const values = await errorsOf({
    rows: `${settings.rows}`.split(' ').map(Number),
    channels: numberIn(settings, 'channels'),
    mean: numberIn(settings, 'mean'),
    spread: numberIn(settings, 'spread'),
    seed: numberIn(settings, 'seed'),
  });
  return { values, timings: { trainMs: performance.now() - startMs } };
}

/** The largest or smallest error of some systems, by seed. */
type ErrorsOf = (
  names: readonly string[],
  error: ErrorName,
  where: PlainRecord,
  pick?: (...errors: number[]) => number,
) => SeedValues;

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const conventions = conventionsOf(options);
  const errors: ErrorsOf = (names, error, where, pick = Math.max) => {
    const measure: Measure = (result) =>
      pick(...names.map((name) => numberOf(result, `${name}.${error}`)));
    return bySeed(results, where, measure);
  };
  return {
    tables: [
      rulesTable(conventions),
      ...CASE_NAMES.map((name) =>
        errorTable(
          `${CASES[name].title} (${CASES[name].rows})`,
          { case: name },
          conventions,
          errors,
        ),
      ),
      errorTable(
        `a mean of ${LARGE_MEAN} standard deviations`,
        { case: 'mean', mean: LARGE_MEAN },
        conventions,
        errors,
      ),
    ],
    plots: [
      meanPlot('variance', 'error of the variance, share', conventions, errors),
      meanPlot('output', 'largest error of an output', conventions, errors),
    ],
    verdicts: verdictsOf(conventions, errors),
    notes: [
      'Other systems are imitated by their formulas in float32, with pairwise sums; none of them ' +
        'runs here. syncbn itself runs, through its norms for direct use with a thread for each ' +
        `rank. ${CHANNELS} channels of normal values; the worst channel of all seeds counts.`,
      'The exact result is float64 over all values together. Its running variance is unbiased, ' +
        "and its gradient is that of the mean loss over all samples, for the norm's weight, as " +
        'the optimizer sees it. Running statistics take the whole batch.',
      'Some of these systems leave uneven sizes and empty ranks to the user: Flax needs equal ' +
        'shapes on all devices, and Detectron2 refuses an empty rank except in its mode N. ' +
        '"not finite" is what their formulas give.',
    ],
  };
}

function rulesTable(conventions: readonly Convention[]): AnalysisTable {
  return {
    caption: 'How other systems compute',
    columns: ['system', 'statistics', 'ranks weigh', 'running variance', 'gradient'],
    rows: conventions.map(({ title, words }) => [
      title,
      words.statistic,
      words.ranks,
      words.running,
      words.gradient,
    ]),
  };
}

function errorTable(
  title: string,
  where: PlainRecord,
  conventions: readonly Convention[],
  errors: ErrorsOf,
): AnalysisTable {
  const row = (name: string, shown: string): readonly string[] => [
    shown,
    ...ERRORS.map((error) => show([...errors([name], error, where).values()])),
  ];
  return {
    caption: `Error against the exact result: ${title}`,
    columns: ['system', ...ERRORS.map((error) => TITLES[error])],
    rows: [...conventions.map(({ name, title }) => row(name, title)), row(OURS, OURS)],
  };
}

function show(values: readonly number[]): string {
  if (values.length === 0) return '-';
  const worst = Math.max(...values);
  if (worst >= ERROR_LIMIT) return 'not finite';
  return worst === 0 ? '0' : worst.toExponential(1);
}

function meanPlot(
  error: ErrorName,
  yLabel: string,
  conventions: readonly Convention[],
  errors: ErrorsOf,
): AnalysisPlot {
  const line = (key: string, name: string): PlotSeries => ({
    name,
    points: MEANS.flatMap((mean) => {
      const worst = Math.max(...errors([key], error, { case: 'mean', mean }).values());
      return worst > 0 && worst < ERROR_LIMIT ? [{ x: mean, y: worst }] : [];
    }),
  });
  return {
    file: error,
    caption:
      'The worst of 16 channels and all seeds, by the ratio of mean to standard deviation. ' +
      'Errors that are 0 or not finite are left out.',
    plot: {
      title: `Large means: ${yLabel}`,
      xLabel: 'mean / standard deviation',
      yLabel,
      xScale: 'log',
      yScale: 'log',
      series: [...conventions.map(({ name, title }) => line(name, title)), line(OURS, OURS)],
    },
  };
}

interface Bound {
  readonly claim: string;
  readonly error: ErrorName;
  readonly where: PlainRecord;
  readonly above?: number;
  readonly below?: number;
}

function verdictsOf(conventions: readonly Convention[], errors: ErrorsOf): readonly ClaimVerdict[] {
  const large = { case: 'mean', mean: LARGE_MEAN };
  /** The verdict on a claim about all compared systems that match `is`. */
  const of = (is: (convention: Convention) => boolean, bound: Bound): readonly ClaimVerdict[] => {
    const found = conventions.filter(is);
    if (found.length === 0) return [];
    const { claim, error, where, above, below } = bound;
    const claimed = above === undefined ? 'below' : 'above';
    const names = found.map(({ name }) => name);
    const values = errors(names, error, where, above === undefined ? Math.max : Math.min);
    const extreme = above === undefined ? 'largest' : 'least';
    return [
      judge({
        claim,
        a: { name: `${extreme} error of ${names.join(', ')}`, values },
        b: constantSide('the bound', values, above ?? below ?? 0),
        claimed,
        digits: 6,
      }),
    ];
  };
  const squares = ({ words }: Convention): boolean => words.statistic.startsWith('E[x^2]');
  const biased = ({ words }: Convention): boolean => words.running === 'biased';
  const equally = ({ words }: Convention): boolean => words.ranks === 'equally';
  return [
    ...of(squares, {
      claim:
        `E[x^2] - E[x]^2 in float32 cancels: with a mean of ${LARGE_MEAN} standard deviations ` +
        'the variance is wrong by more than half',
      ...{ error: 'variance', where: large, above: 0.5 },
    }),
    ...of((convention) => !squares(convention), {
      claim: 'Welford in float32 does not: there the variance is right within 1 %',
      ...{ error: 'variance', where: large, below: 0.01 },
    }),
    ...of(equally, {
      claim: 'Equal weights of ranks give another mean on uneven shards, by more than 5 % of std',
      ...{ error: 'mean', where: { case: 'uneven' }, above: 0.05 },
    }),
    ...of((convention) => !equally(convention), {
      claim: 'Weights by count do not: the mean is right within 1e-5 of std',
      ...{ error: 'mean', where: { case: 'uneven' }, below: 1e-5 },
    }),
    ...of(({ name }) => name === 'pytorch-ddp', {
      claim:
        'Even with exact statistics, the mean of rank means is another gradient on uneven ' +
        'shards, by more than 5 %',
      ...{ error: 'gradient', where: { case: 'uneven' }, above: 0.05 },
    }),
    ...of(biased, {
      claim: 'A biased running variance is too small by an eighth where a batch has 8 values',
      ...{ error: 'runningVar', where: { case: 'small' }, above: 0.12 },
    }),
    ...emptyVerdict(conventions.filter(equally), errors),
    oursVerdict(errors),
  ];
}

/** The verdict on systems that give each rank the same weight, when a rank is empty. */
function emptyVerdict(
  conventions: readonly Convention[],
  errors: ErrorsOf,
): readonly ClaimVerdict[] {
  if (conventions.length === 0) return [];
  const names = conventions.map(({ name }) => name);
  const countFinite = (...values: number[]): number =>
    values.filter((value) => value < ERROR_LIMIT).length;
  const values = errors(names, 'output', { case: 'empty' }, countFinite);
  return [
    judge({
      claim: 'With empty ranks, systems with equal weights of ranks have no finite outputs',
      a: { name: `systems with finite outputs, of ${names.join(', ')}`, values },
      b: constantSide('the bound', values, 0.5),
      claimed: 'below',
      digits: 1,
    }),
  ];
}

/** The largest allowed error of any value that this library computes. */
const OUR_BOUND = 2e-6;

function oursVerdict(errors: ErrorsOf): ClaimVerdict {
  const places: readonly PlainRecord[] = [
    ...CASE_NAMES.map((name) => ({ case: name })),
    ...MEANS.map((mean) => ({ case: 'mean', mean })),
  ];
  const worst = new Map<number, number>();
  for (const where of places) {
    for (const error of ERRORS) {
      for (const [seed, value] of errors([OURS], error, where)) {
        worst.set(seed, Math.max(worst.get(seed) ?? 0, value));
      }
    }
  }
  return judge({
    claim: `syncbn is within ${OUR_BOUND} of the exact result everywhere`,
    a: { name: 'largest error of syncbn', values: worst },
    b: constantSide('the bound', worst, OUR_BOUND),
    claimed: 'below',
    digits: 9,
  });
}

/** See docs/experiments/peers.md. */
export const peers: Experiment = {
  name: 'peers',
  title: 'What would other systems compute?',
  hypothesis:
    'E[x^2] - E[x]^2 in float32 fails with large means, and equal weights of ranks fail with ' +
    'uneven shards. There the mean of rank means is a different gradient, whatever the statistics.',
  defaults: { data: 'synthetic', quickData: 'synthetic', seeds: 5, quickSeeds: 3 },
  choices: {
    conventions: true,
    model: 'nothing is trained',
    lr: 'nothing is trained',
    epochs: 'nothing is trained',
    norms: 'it compares the rules of batch norm of several systems',
    'replica-batches': 'its batches are even, uneven, small and empty ones',
  },
  plan,
  run,
  resultSchema: () =>
    resultWith(
      [...CONVENTIONS.map(({ name }) => name), OURS].flatMap((name) =>
        ERRORS.map((error) => `${name}.${error}`),
      ),
    ),
  analyse,
};
