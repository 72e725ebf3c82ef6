// Analyzes the runs of covariate-shift: how far layer inputs move with each norm and without one,
// how predictable loss and gradient are, and verdicts on both, for and against the textbook.

import type { ComparedNorm } from '../engine/choices.ts';
import {
  bySeed,
  cell,
  judge,
  listCurve,
  listOf,
  type Measure,
  numberOf,
  select,
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
  AnalysisTable,
  ClaimVerdict,
  RunResult,
} from '../engine/experiment.ts';
import { STEP_FACTORS } from './landscape.ts';
import { capitalized, NORM_TITLES } from './plainNets.ts';

/** The lists of a run: by layer, or by look. */
export const LISTS = [
  'stepShift',
  'drift',
  'meanDrift',
  'stdDrift',
  'lateDrift',
  'driftByLook',
  'stepShiftByLook',
  'gradientShift',
  'lossRange',
  'gradientChange',
  'relativeChange',
] as const;
type ListName = (typeof LISTS)[number];

export interface ShiftSubject {
  /** `none` and the norms compared with it. */
  readonly norms: readonly ComparedNorm[];
  readonly steps: number;
  /** Steps between two looks. */
  readonly every: number;
}

/** Replaces smaller values, so that logarithms stay finite. */
const SMALLEST = 1e-12;

const meanIn =
  (list: ListName): Measure =>
  (result) =>
    mean(listOf(result, list));
/** For values that span orders of magnitude during training, so that no single look dominates. */
const logIn =
  (list: ListName): Measure =>
  (result) =>
    mean(listOf(result, list).map((value) => Math.log10(Math.max(value, SMALLEST))));
const loss: Measure = (result) => numberOf(result, 'loss');

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Analyzes all results. */
export function analyseShift(results: readonly RunResult[], subject: ShiftSubject): Analysis {
  const { norms } = subject;
  return {
    tables: [shiftTable(results, norms), landscapeTable(results, norms)],
    plots: plotsOf(results, subject),
    verdicts: norms
      .filter((norm) => norm !== 'none')
      .flatMap((norm) => [...shiftVerdicts(results, norm), ...landscapeVerdicts(results, norm)]),
    notes: [
      'Inputs are those of every layer with weights but the first, which sees the data, on one ' +
        'fixed batch of training samples, normalized as in training. Distances are Wasserstein-1 ' +
        'between quantiles of each channel, averaged over channels and layers, in standard ' +
        "deviations of the layer's inputs, so that growth alone does not count.",
      'Loss and gradient along a step: from the weights of a look, against the gradient of the ' +
        `batch, by ${STEP_FACTORS.join(', ')} learning rates (Santurkar et al. 2018, ` +
        'figure 4). The table has means of log10 over the looks: -1 is a tenth.',
      'Shift of gradients is definition 2.1 of Santurkar et al.: how far the gradient of a layer ' +
        'moves when the layers before it make a step, as a share of its size. They found it just ' +
        'as large with batch norm.',
    ],
  };
}

function shiftTable(results: readonly RunResult[], norms: readonly ComparedNorm[]): AnalysisTable {
  const columns: readonly (readonly [string, ListName])[] = [
    ['a step', 'stepShift'],
    ['whole training', 'drift'],
    ['its second half', 'lateDrift'],
    ['means, whole training', 'meanDrift'],
    ['stds, whole training', 'stdDrift'],
  ];
  return {
    caption: 'How far the inputs of layers move, in standard deviations, 95 % intervals over seeds',
    columns: ['norm', ...columns.map(([title]) => title), 'loss at the end'],
    rows: norms.map((norm) => [
      NORM_TITLES[norm],
      ...columns.map(([, list]) => cell(bySeed(results, { norm }, meanIn(list)), 4)),
      cell(bySeed(results, { norm }, loss), 3),
    ]),
  };
}

function landscapeTable(
  results: readonly RunResult[],
  norms: readonly ComparedNorm[],
): AnalysisTable {
  const lists = ['lossRange', 'gradientChange', 'relativeChange', 'gradientShift'] as const;
  return {
    caption: 'Along a step, log10, mean over the looks (shift of gradients: over the layers)',
    columns: [
      'norm',
      'range of the loss',
      'change of the gradient',
      'change against its size',
      'shift of gradients',
    ],
    rows: norms.map((norm) => [
      NORM_TITLES[norm],
      ...lists.map((list) => cell(bySeed(results, { norm }, logIn(list)), 2)),
    ]),
  };
}

function plotsOf(
  results: readonly RunResult[],
  { norms, steps, every }: ShiftSubject,
): readonly AnalysisPlot[] {
  const looks = Array.from({ length: steps / every + 1 }, (_, i) => i * every);
  const byLook = (list: ListName) =>
    norms.map((norm) => listCurve(NORM_TITLES[norm], select(results, { norm }), list, looks));
  const depth = Math.max(0, ...results.map((result) => listOf(result, 'drift').length));
  const layers = Array.from({ length: depth }, (_, i) => i + 2);
  const picture = (file: string, title: string, yLabel: string, list: ListName): AnalysisPlot => ({
    file,
    caption: `${title}, mean over the seeds.`,
    plot: { title, xLabel: 'steps', yLabel, yScale: 'log', series: byLook(list) },
  });
  const distance = 'standard deviations';
  return [
    picture('step-shift', 'How far inputs move in one step', distance, 'stepShiftByLook'),
    {
      ...picture('drift', 'How far inputs are from those before training', distance, 'driftByLook'),
      plot: {
        title: 'How far inputs are from those before training',
        xLabel: 'steps',
        yLabel: distance,
        series: byLook('driftByLook'),
      },
    },
    {
      file: 'layers',
      caption: 'How far the inputs of each layer move over the training, mean over the seeds.',
      plot: {
        title: 'How far inputs move over the training, by layer',
        xLabel: 'layer',
        yLabel: distance,
        series: norms.map((norm) =>
          listCurve(NORM_TITLES[norm], select(results, { norm }), 'drift', layers),
        ),
      },
    },
    picture('loss-range', 'Range of the loss along the gradient', 'range of the loss', 'lossRange'),
    picture('gradient-change', 'Change of the gradient along it', 'L2 distance', 'gradientChange'),
  ];
}

function compare(
  results: readonly RunResult[],
  norm: ComparedNorm,
  of: { readonly claim: string; readonly name: string; readonly measure: Measure },
): ClaimVerdict {
  const { claim, name, measure } = of;
  return judge({
    claim,
    a: { name: `${name}, ${NORM_TITLES[norm]}`, values: bySeed(results, { norm }, measure) },
    b: { name: NORM_TITLES.none, values: bySeed(results, { norm: 'none' }, measure) },
    claimed: 'below',
  });
}

/** The textbook's claim (Ioffe and Szegedy 2015). */
function shiftVerdicts(results: readonly RunResult[], norm: ComparedNorm): readonly ClaimVerdict[] {
  const title = NORM_TITLES[norm];
  const claims: readonly (readonly [string, ListName])[] = [
    [`With ${title} the inputs of layers move less from step to step`, 'stepShift'],
    [`With ${title} the inputs move less over the whole training`, 'drift'],
    [`With ${title} the inputs move less in the second half of the training`, 'lateDrift'],
    [`With ${title} the means of inputs move less over the training`, 'meanDrift'],
    [`With ${title} the standard deviations of inputs move less over the training`, 'stdDrift'],
  ];
  return claims.map(([claim, list]) =>
    compare(results, norm, { claim, name: 'distance', measure: meanIn(list) }),
  );
}

/** Claims about what Santurkar et al. 2018 measure. The last is the textbook's, in their
 * definition. */
function landscapeVerdicts(
  results: readonly RunResult[],
  norm: ComparedNorm,
): readonly ClaimVerdict[] {
  const title = NORM_TITLES[norm];
  const claims: readonly (readonly [string, string, ListName])[] = [
    [`With ${title} the loss varies less along the gradient`, 'log10 of its range', 'lossRange'],
    [`With ${title} the gradient changes less along it`, 'log10 of its change', 'gradientChange'],
    [
      `With ${title} the gradient changes less along it, against its size`,
      'log10 of the share',
      'relativeChange',
    ],
    [
      `${capitalized(title)} lessens the shift of gradients when the layers before make a step`,
      'log10 of the share',
      'gradientShift',
    ],
  ];
  return claims.map(([claim, name, list]) =>
    compare(results, norm, { claim, name, measure: logIn(list) }),
  );
}
