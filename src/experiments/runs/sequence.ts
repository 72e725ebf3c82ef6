// Sequence: a recurrent net reads the rows of an image, one per time step, with batch normalization
// (statistics per time step, Cooijmans et al. 2017) or layer normalization (Ba et al. 2016). The
// global batch stays the same; only the number of samples that share statistics changes. The GRU is
// compared across these batch sizes, the LSTM (sequenceLstm.ts) with and without norms.

import { UsageError } from '../../base/errors.ts';
import { showShape } from '../../base/shape.ts';
import { sequential } from '../../nn/models/compose.ts';
import { linear } from '../../nn/specs/linear.ts';
import { gru, lstm } from '../../nn/specs/recurrent.ts';
import { reshape } from '../../nn/specs/reshape.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import { adam } from '../../optim/optimizer.ts';
import {
  batchesFrom,
  type ComparedNorm,
  netSettings,
  netWith,
  stepsFrom,
  TRAINING_CHOICES,
} from '../engine/choices.ts';
import {
  batchAndSeedIn,
  bySeed,
  cell,
  choiceIn,
  curve,
  judge,
  listCurve,
  type Measure,
  numberIn,
  numberOf,
  type SeedValues,
  seedsOf,
  select,
  subtract,
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
  AnalysisTable,
  ClaimVerdict,
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
import { trainCurve } from './lossCurve.ts';
import { type NetPurpose, purposeOf } from './plainNets.ts';
import { analyseLstm, LSTM_NORMS, LSTM_TITLES, type LstmNorm } from './sequenceLstm.ts';

const CELLS = ['gru', 'lstm'] as const;
const NORMS = ['batch', 'layer'] as const;
type Norm = (typeof NORMS)[number];
/** The norms that replace the batch norms of a caller's net. */
const CONVERTED: Readonly<Record<LstmNorm, ComparedNorm>> = {
  none: 'none',
  batch: 'local',
  layer: 'layer',
};
const TITLES: Readonly<Record<Norm, string>> = { batch: 'batch norm', layer: 'layer norm' };

/** Samples per step, over all replicas. */
const GLOBAL_BATCH = 32;
/** Samples that share statistics. */
const BATCHES = [2, 4, 8, 16] as const;
const SMALL = 2;
const LARGE = 16;

const FULL = { steps: 600, windowSteps: 25, hidden: 48 };
const QUICK = { steps: 300, windowSteps: 25, hidden: 32 };
const RATE = 0.005;
/** An image's border rows have almost no variance. With the usual 1e-5, batch norm amplifies small
 * differences there, and its running statistics do not fit other images (Cooijmans et al. 2017). */
const EPS: Readonly<Record<LstmNorm, number>> = { none: 1e-5, batch: 0.02, layer: 1e-5 };

/** Numbers of samples that share statistics, smallest first; each divides the global batch. */
function batchesOf(options: ExperimentOptions): readonly number[] {
  const own = options.quick ? [SMALL, LARGE] : BATCHES;
  const batches = batchesFrom(options, own).toReversed();
  const wrong = batches.find((batch) => GLOBAL_BATCH % batch !== 0);
  if (wrong === undefined) return batches;
  throw new UsageError({
    what: '--replica-batches',
    given: wrong,
    allowed: `divisors of ${GLOBAL_BATCH}, the number of samples per step`,
  });
}

function sizeOf(options: ExperimentOptions): typeof FULL {
  const own = options.quick ? QUICK : FULL;
  return { ...own, steps: stepsFrom(options, GLOBAL_BATCH, own.steps) };
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const size = sizeOf(options);
  const batches = batchesOf(options);
  const { lr: rate = RATE } = options;
  const choices = [
    ...batches.flatMap((replicaBatch) =>
      NORMS.map((norm) => ({ cell: 'gru', norm, replicaBatch, title: TITLES[norm] })),
    ),
    ...lstmChoices(options, batches),
  ];
  return seedsOf(options).flatMap((seed) =>
    choices.map(({ title, cell: kind, norm, replicaBatch }) => ({
      label: `${title}, batch ${replicaBatch}, seed ${seed}`,
      settings: {
        data: options.data,
        ...netSettings(options),
        ...{ cell: kind, norm, replicaBatch },
        replicas: GLOBAL_BATCH / replicaBatch,
        rate,
        eps: EPS[norm],
        ...size,
        seed,
      },
      cost: size.steps,
    })),
  );
}

/** The LSTM variants to run; none with a caller's net, which replaces the LSTM. */
function lstmChoices({ net }: ExperimentOptions, batches: readonly number[]) {
  if (net !== undefined) return [];
  const replicaBatch = batches.at(-1)!;
  return LSTM_NORMS.map((norm) => ({ cell: 'lstm', norm, replicaBatch, title: LSTM_TITLES[norm] }));
}

/** A net that reads rows as time steps into a recurrent layer, and classifies its last state. */
function modelOf(settings: PlainRecord, { inputShape, classes }: NetPurpose): LayerSpec {
  if (inputShape.length !== 3) {
    throw new UsageError({
      what: 'input of a net that reads rows',
      given: showShape(inputShape),
      allowed: 'images, HxWxC',
    });
  }
  const [height, width, channels] = inputShape as readonly [number, number, number];
  const hidden = numberIn(settings, 'hidden');
  const recurrent = { gru, lstm }[choiceIn(settings, 'cell', CELLS)];
  const norm = choiceIn(settings, 'norm', LSTM_NORMS);
  return sequential([
    reshape([height, width * channels]),
    recurrent(width * channels, hidden, { norm, eps: numberIn(settings, 'eps') }),
    linear(hidden, classes),
  ]);
}

function nets(settings: PlainRecord, context: NetContext): readonly LayerSpec[] {
  const norm = choiceIn(settings, 'norm', LSTM_NORMS);
  const purpose = purposeOf(context.dataset);
  return [netWith(context, CONVERTED[norm], () => modelOf(settings, purpose))];
}

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const curveOfRun = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      optimizer: adam({ lr: numberIn(settings, 'rate') }),
      ...batchAndSeedIn(settings),
      steps: numberIn(settings, 'steps'),
      windowSteps: numberIn(settings, 'windowSteps'),
      evaluates: ['test'],
    },
    context,
  );
  return {
    values: { losses: curveOfRun.losses, testError: curveOfRun.test!.error },
    timings: { trainMs: curveOfRun.trainMs },
  };
}

const testError: Measure = (result) => 100 * numberOf(result, 'testError');

const EPS_NOTE =
  `Batch norm has eps ${EPS.batch}, layer norm the usual ${EPS.layer}. With the usual eps, ` +
  'batch norm is far worse: it blows up small differences in rows that are nearly constant.';
const NOTE =
  `A step always has ${GLOBAL_BATCH} samples, split among replicas with local batch norms. Only ` +
  'the statistics depend on the batch: layer norm, which shares nothing between samples, ' +
  'computes the same except for rounding.';

/** Test errors in %, by seed. */
type ErrorsAt = (norm: Norm, replicaBatch: number) => SeedValues;

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const errors: ErrorsAt = (norm, replicaBatch) =>
    bySeed(results, { cell: 'gru', norm, replicaBatch }, testError);
  const batches = batchesOf(options);
  const ends = endsOf(sizeOf(options));
  const tables = [errorTable(errors, batches)];
  const plots = [errorPlot(errors, batches), lossPlot(results, ends, batches)];
  const verdicts = verdictsOf(errors, batches);
  if (options.net !== undefined) return { tables, plots, verdicts, notes: [NOTE] };
  const ofLstm = analyseLstm(results, testError, ends);
  return {
    tables: [...tables, ofLstm.table],
    plots: [...plots, ofLstm.plot],
    verdicts: [...verdicts, ...ofLstm.verdicts],
    notes: [EPS_NOTE, NOTE],
  };
}

function errorTable(errors: ErrorsAt, batches: readonly number[]): AnalysisTable {
  return {
    caption: 'Test error, means over the seeds with 95 % intervals',
    columns: ['samples that share statistics', ...NORMS.map((norm) => TITLES[norm])],
    rows: batches.map((batch) => [
      batch,
      ...NORMS.map((norm) => cell(errors(norm, batch), 2, '%')),
    ]),
  };
}

function errorPlot(errors: ErrorsAt, batches: readonly number[]): AnalysisPlot {
  return {
    file: 'error-by-batch',
    caption: 'Test error by the samples that share statistics, mean over the seeds',
    plot: {
      title: 'Batch norm and layer norm in a recurrent net',
      xLabel: 'samples that share statistics',
      yLabel: 'test error, %',
      xScale: 'log',
      series: NORMS.map((norm) =>
        curve(
          TITLES[norm],
          batches.map((x) => ({ x, values: [...errors(norm, x).values()] })),
        ),
      ),
    },
  };
}

/** Where the windows of the training loss end. */
function endsOf({ steps, windowSteps }: typeof FULL): readonly number[] {
  return Array.from({ length: Math.ceil(steps / windowSteps) }, (_, i) =>
    Math.min(steps, (i + 1) * windowSteps),
  );
}

function lossPlot(
  results: readonly RunResult[],
  ends: readonly number[],
  batches: readonly number[],
): AnalysisPlot {
  const [small, large] = [batches[0]!, batches.at(-1)!];
  return {
    file: 'loss',
    caption: `Training loss in windows of ${FULL.windowSteps} steps, mean over the seeds`,
    plot: {
      title: 'Training loss of the recurrent net',
      xLabel: 'steps',
      yLabel: 'cross-entropy',
      yScale: 'log',
      series: NORMS.flatMap((norm) =>
        [...new Set([small, large])].map((replicaBatch) => {
          const runs = select(results, { cell: 'gru', norm, replicaBatch });
          const style = replicaBatch === small ? ('dashed' as const) : ('solid' as const);
          const name = `${TITLES[norm]}, batch ${replicaBatch}`;
          return { ...listCurve(name, runs, 'losses', ends), style };
        }),
      ),
    },
  };
}

function verdictsOf(errors: ErrorsAt, batches: readonly number[]): readonly ClaimVerdict[] {
  const [small, large] = [batches[0]!, batches.at(-1)!];
  const side = (norm: Norm, batch: number) => ({
    name: `${TITLES[norm]} at batch ${batch}`,
    values: errors(norm, batch),
  });
  const rise = (norm: Norm) => ({
    name: `rise of ${TITLES[norm]}`,
    values: subtract(errors(norm, small), errors(norm, large)),
  });
  const shown = { claimed: 'above' as const, digits: 2, unit: '%' };
  const withSmall = judge({
    claim: 'With a small batch, layer norm has the lower error',
    a: side('batch', small),
    b: side('layer', small),
    ...shown,
  });
  if (small === large) return [withSmall];
  return [
    judge({
      claim: 'Batch norm over time steps suffers when few samples share statistics',
      a: side('batch', small),
      b: side('batch', large),
      ...shown,
    }),
    judge({
      claim: 'Layer norm suffers less from a small batch than batch norm does',
      a: rise('batch'),
      b: rise('layer'),
      ...shown,
    }),
    withSmall,
    judge({
      claim: 'With a larger batch, layer norm has the lower error on sequences, too',
      a: side('batch', large),
      b: side('layer', large),
      ...shown,
    }),
  ];
}

/** See docs/experiments/sequence.md. */
export const sequence: Experiment = {
  name: 'sequence',
  title: 'Batch norm and layer norm in a recurrent net',
  hypothesis:
    'Batch norm with statistics for each time step suffers when few samples share them; layer ' +
    'norm does not.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 4, quickSeeds: 2 },
  choices: {
    ...TRAINING_CHOICES,
    norms: 'it compares batch norm and layer norm, which recurrent layers have',
  },
  plan,
  nets,
  run,
  resultSchema: () => resultWith(['testError'], { losses: 1 }),
  analyse,
};
