// Analyzes the runs of a sweep. The crossed flags determine the axes: batch sizes, or else the
// first numeric flag, along x; a line for each norm, or for each value of another flag; a plot for
// each combination of the rest. Intervals are over the seeds.

import type { PlotSeries } from '../../report/plot.ts';
import {
  bySeed,
  cell,
  curve,
  judge,
  listCurve,
  listOf,
  type Measure,
  numberOf,
  type SeedValues,
  select,
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
  AnalysisTable,
  ClaimVerdict,
  PlainRecord,
  PlainValue,
  RunResult,
} from '../engine/experiment.ts';

/** A flag and its values, in the order given. */
export interface Crossed {
  /** As typed, without dashes, such as `replica-batch`. */
  readonly name: string;
  readonly values: readonly string[];
}

export interface SweepSubject {
  /** All flags with several values, except the seed. */
  readonly crossed: readonly Crossed[];
  /** `error`: the share of misclassified test samples in %; `loss`: for data without classes. */
  readonly metric: 'error' | 'loss';
  /** Combinations that cannot be trained, each with its reason. */
  readonly leftOut: readonly string[];
}

/** Flags preferred along x, in this order. */
const X_FLAGS = ['replica-batch', 'batch', 'group-size', 'replicas', 'lr'];
/** Flags shown from large to small, as is usual for curves over batch sizes. */
const BATCH_FLAGS = ['replica-batch', 'batch'];
/** An axis whose values differ by more than this factor is logarithmic. */
const LOG_FACTOR = 8;

interface Axes {
  readonly x: Crossed | undefined;
  readonly line: Crossed | undefined;
  /** Settings of each plot; a single plot without settings if nothing else was crossed. */
  readonly facets: readonly PlainRecord[];
}

/** Assigns flags to axes. */
export function axesOf(crossed: readonly Crossed[]): Axes {
  const numeric = crossed.filter(({ values }) => values.every((v) => Number.isFinite(Number(v))));
  const preferred = X_FLAGS.flatMap((name) => numeric.find((flag) => flag.name === name) ?? []);
  const x = preferred[0] ?? numeric[0];
  const others = crossed.filter((flag) => flag !== x);
  const line = others.find(({ name }) => name === 'norm') ?? others[0];
  const rest = others.filter((flag) => flag !== line);
  return { x, line, facets: combinations(rest) };
}

/** Every combination of values, the last flag fastest. */
export function combinations(crossed: readonly Crossed[]): readonly PlainRecord[] {
  return crossed.reduce<readonly PlainRecord[]>(
    (before, { name, values }) =>
      before.flatMap((settings) => values.map((value) => ({ ...settings, [name]: value }))),
    [{}],
  );
}

/** For example `--norm sync --replica-batch 2`. */
export function showFlags(settings: PlainRecord): string {
  return Object.entries(settings)
    .map(([name, value]) => (value === true ? `--${name}` : `--${name} ${value}`))
    .join(' ');
}

/** Analyzes all results. */
export function analyseSweep(results: readonly RunResult[], subject: SweepSubject): Analysis {
  const { crossed, metric, leftOut } = subject;
  const axes = axesOf(crossed);
  const study: Study = { results, axes, measure: measureOf(metric), ...unitsOf(metric) };
  return {
    tables: [tableOf(results, crossed, study)],
    plots: [
      ...axes.facets.flatMap((facet, i) => errorPlots(study, facet, i)),
      ...lossPlots(results, crossed),
    ],
    verdicts: axes.facets.flatMap((facet) => verdictsOf(study, facet)),
    notes: [
      'Each run is that of syncbn train with the same flags. Claims compare with the first ' +
        'value given, at both ends of the x axis; with many of them, some intervals miss by ' +
        'chance: one in twenty does.',
      'A run whose numbers stop being finite goes on, and counts with the error at its end.',
      ...leftOut,
    ],
  };
}

interface Study {
  readonly results: readonly RunResult[];
  readonly axes: Axes;
  readonly measure: Measure;
  readonly label: string;
  readonly unit: string | undefined;
  readonly digits: number;
}

function measureOf(metric: SweepSubject['metric']): Measure {
  if (metric === 'error') return (result) => 100 * numberOf(result, 'testError');
  return (result) => numberOf(result, 'testLoss');
}

function unitsOf(metric: SweepSubject['metric']): Pick<Study, 'label' | 'unit' | 'digits'> {
  if (metric === 'error') return { label: 'test error, %', unit: '%', digits: 2 };
  return { label: 'test loss', unit: undefined, digits: 4 };
}

function valuesAt({ results, measure }: Study, where: PlainRecord): SeedValues {
  return bySeed(results, where, measure);
}

function tableOf(
  results: readonly RunResult[],
  crossed: readonly Crossed[],
  { measure, label, digits }: Study,
): AnalysisTable {
  const trainLoss: Measure = (result) => numberOf(result, 'trainLoss');
  const testLoss: Measure = (result) => numberOf(result, 'testLoss');
  return {
    caption: 'Means over the seeds with 95 % intervals',
    columns: crossed.map(({ name }) => name).concat([label, 'test loss', 'training loss', 'seeds']),
    rows: combinations(crossed).map((where) => [
      ...Object.values(where).map(String),
      cell(bySeed(results, where, measure), digits),
      cell(bySeed(results, where, testLoss), 4),
      cell(bySeed(results, where, trainLoss), 4),
      select(results, where).length,
    ]),
  };
}

/** The values along x, in display order. */
function placesOf({ name, values }: Crossed): readonly number[] {
  const sorted = values.map(Number).sort((a, b) => a - b);
  return BATCH_FLAGS.includes(name) ? sorted.toReversed() : sorted;
}

/** The flag's value as given, for a number along x. */
function givenFor({ values }: Crossed, x: number): PlainValue {
  return values.find((value) => Number(value) === x)!;
}

function errorPlots(study: Study, facet: PlainRecord, index: number): readonly AnalysisPlot[] {
  const { x, line, facets } = study.axes;
  if (x === undefined) return [];
  const places = placesOf(x);
  const seriesOf = (name: string, where: PlainRecord): PlotSeries =>
    curve(
      name,
      places.map((place) => ({
        x: place,
        values: [...valuesAt(study, { ...where, [x.name]: givenFor(x, place) }).values()],
      })),
    );
  const lines = line?.values.map((value) => seriesOf(value, { ...facet, [line.name]: value }));
  const of = Object.keys(facet).length === 0 ? '' : ` with ${showFlags(facet)}`;
  const by = line === undefined ? '' : `, a line for each --${line.name}`;
  return [
    {
      file: facets.length === 1 ? 'sweep' : `sweep-${index + 1}`,
      caption: `By --${x.name}${by}${of}; bars are 95 % intervals over the seeds.`,
      plot: {
        title: `${study.label} by --${x.name}${of}`,
        xLabel: x.name,
        xScale: scaleOf(x, places),
        yLabel: study.label,
        series: lines ?? [seriesOf(study.label, facet)],
      },
    },
  ];
}

function scaleOf({ name }: Crossed, places: readonly number[]): 'category' | 'log' | 'linear' {
  if (BATCH_FLAGS.includes(name)) return 'category';
  const [least, most] = [Math.min(...places), Math.max(...places)];
  return least > 0 && most / least > LOG_FACTOR ? 'log' : 'linear';
}

/** The largest number of distinguishable lines. */
const MOST_LINES = 8;

/** Training loss by epoch, if there are epochs and few enough lines. */
function lossPlots(
  results: readonly RunResult[],
  crossed: readonly Crossed[],
): readonly AnalysisPlot[] {
  const variants = combinations(crossed);
  const epochs = Math.max(0, ...results.map((result) => listOf(result, 'losses').length));
  if (variants.length > MOST_LINES || epochs < 2) return [];
  const at = Array.from({ length: epochs }, (_, i) => i + 1);
  return [
    {
      file: 'training-loss',
      caption: 'Training loss by epoch, mean over the seeds.',
      plot: {
        title: 'Training loss by epoch',
        xLabel: 'epoch',
        yLabel: 'training loss',
        yScale: 'log',
        series: variants.map((where) =>
          listCurve(showFlags(where) || 'training loss', select(results, where), 'losses', at),
        ),
      },
    },
  ];
}

function verdictsOf(study: Study, facet: PlainRecord): readonly ClaimVerdict[] {
  const { x, line } = study.axes;
  const { unit, digits } = study;
  const what = unit === '%' ? 'error' : 'loss';
  const compare = (claim: string, a: PlainRecord, b: PlainRecord, claimed: 'above' | 'below') =>
    judge({
      claim,
      a: { name: showFlags(a), values: valuesAt(study, { ...facet, ...a }) },
      b: { name: showFlags(b), values: valuesAt(study, { ...facet, ...b }) },
      claimed,
      digits,
      ...(unit !== undefined && { unit }),
    });
  const places = x === undefined ? [] : placesOf(x);
  const settingsAt = (place: number): PlainRecord => ({ [x!.name]: givenFor(x!, place) });
  const ends = [...new Set([places.at(-1), places[0]])].flatMap((place) => place ?? []);
  const wheres = ends.length === 0 ? [{}] : ends.map(settingsAt);
  const start = (settings: PlainRecord): string => {
    const flags = showFlags({ ...facet, ...settings });
    return flags === '' ? '' : `With ${flags}, `;
  };
  const [first, ...others] = line?.values ?? [];
  const between = wheres.flatMap((where) =>
    others.map((value) => {
      const [a, b] = [{ [line!.name]: value }, { [line!.name]: first! }];
      const claim = `${start(where)}${showFlags(a)} has a lower ${what} than ${showFlags(b)}`;
      return compare(claim, { ...a, ...where }, { ...b, ...where }, 'below');
    }),
  );
  const [low, high] = ends;
  if (low === undefined || high === undefined) return between;
  const along = (line?.values ?? [undefined]).map((value) => {
    const where = value === undefined ? {} : { [line!.name]: value };
    const [a, b] = [settingsAt(low), settingsAt(high)];
    const claim = `${start(where)}the ${what} is higher at ${showFlags(a)} than at ${showFlags(b)}`;
    return compare(claim, { ...where, ...a }, { ...where, ...b }, 'above');
  });
  return [...between, ...along];
}
