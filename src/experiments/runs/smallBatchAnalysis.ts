// Analyzes the runs of small-batch: errors by norm and batch next to the published curve, and
// verdicts on how much accuracy each norm loses with small batches.

import type { PlotSeries } from '../../report/plot.ts';
import type { ComparedNorm } from '../engine/choices.ts';
import {
  bySeed,
  cell,
  curve,
  judge,
  judgeSame,
  type Measure,
  numberOf,
  type SeedValues,
  subtract,
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
  AnalysisTable,
  ClaimVerdict,
  ExperimentOptions,
  RunResult,
} from '../engine/experiment.ts';
import { capitalized, REPLICA_NORM_TITLES } from './plainNets.ts';
import {
  MOMENTUM,
  REPLICAS,
  SINGLE_TITLE,
  type SmallBatchSize,
  sizeFor,
} from './smallBatchSetup.ts';

/** Differences up to this many percentage points count as equal: the precision of reading such a
 * curve. */
const SAME_POINTS = 0.7;

/** Wu and He 2018, figure 1: error of ResNet-50 on ImageNet in %, with 8 GPUs, by images per
 * GPU. */
const PUBLISHED = {
  batches: [32, 16, 8, 4, 2],
  BN: [23.6, 23.7, 24.8, 27.3, 34.7],
  GN: [24.1, 24.2, 24.0, 24.2, 24.1],
};

const testError: Measure = (result) => 100 * numberOf(result, 'testError');

/** Errors in % by norm and batch, from the available results. */
class Errors {
  private readonly results: readonly RunResult[];

  constructor(results: readonly RunResult[]) {
    this.results = results;
  }

  of(norm: ComparedNorm, replicaBatch: number): SeedValues {
    return bySeed(this.results, { norm, replicaBatch, replicas: REPLICAS }, testError);
  }

  get single(): SeedValues {
    return bySeed(this.results, { replicas: 1 }, testError);
  }

  rise(norm: ComparedNorm, { largest }: SmallBatchSize, batch: number): SeedValues {
    return subtract(this.of(norm, batch), this.of(norm, largest));
  }
}

export function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const size = sizeFor(options);
  const errors = new Errors(results);
  // The published curve is from other nets: it shows what to expect, not what a given net does.
  const isPublished =
    options.net === undefined && size.batches.every((b) => PUBLISHED.batches.includes(b));
  return {
    tables: [errorTable(errors, size), ...(isPublished ? [publishedTable(size)] : [])],
    plots: [errorPlot(errors, size), ...(isPublished ? [publishedPlot(errors, size)] : [])],
    verdicts: verdictsOf(errors, size),
    notes: notesOf(size, options),
  };
}

function notesOf(size: SmallBatchSize, { data, net, quick }: ExperimentOptions): readonly string[] {
  const { samples, epochs, smallest, rate, rateBatch } = size;
  return [
    `${samples} samples of ${data} for ${epochs} epochs, ${REPLICAS} replicas at every ` +
      `batch size; SGD with momentum ${MOMENTUM}, a cosine schedule, and a learning rate of ` +
      `${rate} for batches of ${rateBatch} that falls with the batch. The error is that of the ` +
      'last epoch on all test samples.',
    ...(net === undefined ? OWN_NOTES : [netNote(net.name, quick)]),
    `${capitalized(SINGLE_TITLE)} trains one replica with ${REPLICAS * smallest} samples, and ` +
      `SyncBN over ${REPLICAS} replicas of ${smallest} should equal it. They round differently, ` +
      'so single runs drift apart, as runs with different seeds do.',
  ];
}

function netNote(name: string, quick: boolean): string {
  const cut = quick
    ? ' Quick runs use fewer samples and epochs, so that a large net finishes in minutes; a net ' +
      'that has learned little by then shows little.'
    : '';
  return (
    `Each norm replaces the batch norms of ${name}. The rest of the net stays the same, ` +
    `including layers without a bias that were followed by a removed norm.${cut}`
  );
}

const OWN_NOTES = [
  'Why this task and net: handwritten digits are so easy that all norms score the same, hence ' +
    'Fashion-MNIST. The net has six convolutions down to 4x4 and, as many image nets do, a ' +
    'hidden linear layer at the end. There a replica has one value per channel and sample, and ' +
    'two values always normalize to +1 and -1.',
  'Published errors are those of ResNet-50 on ImageNet with 100 epochs: compare the shape, ' +
    'not the height.',
];

function errorTable(errors: Errors, { norms, batches, smallest }: SmallBatchSize): AnalysisTable {
  const rowOf = (norm: ComparedNorm): readonly string[] => [
    REPLICA_NORM_TITLES[norm],
    ...batches.map((batch) => cell(errors.of(norm, batch), 2)),
  ];
  const { single } = errors;
  const singleRow = [SINGLE_TITLE, ...batches.map((b) => (b === smallest ? cell(single, 2) : '-'))];
  return {
    caption: 'Test error in %, means over the seeds with 95 % intervals',
    columns: ['per-replica batch size', ...batches.map(String)],
    rows: [...norms.map(rowOf), ...(single.size > 0 ? [singleRow] : [])],
  };
}

function publishedTable({ batches }: SmallBatchSize): AnalysisTable {
  const published = (values: readonly number[]): readonly string[] =>
    batches.map((batch) => values[PUBLISHED.batches.indexOf(batch)]!.toFixed(1));
  return {
    caption: 'Published: error in % of ResNet-50 on ImageNet, 8 GPUs (Wu and He 2018)',
    columns: ['per-replica batch size', ...batches.map(String)],
    rows: [
      ['local batch norm', ...published(PUBLISHED.BN)],
      ['group norm', ...published(PUBLISHED.GN)],
    ],
  };
}

const AXES = { xLabel: 'per-replica batch size', xScale: 'category' as const };

function seriesOf(
  norm: ComparedNorm,
  { batches }: SmallBatchSize,
  valuesAt: (batch: number) => SeedValues,
): PlotSeries {
  return curve(
    REPLICA_NORM_TITLES[norm],
    batches.map((batch) => ({ x: batch, values: [...valuesAt(batch).values()] })),
  );
}

function errorPlot(errors: Errors, size: SmallBatchSize): AnalysisPlot {
  return {
    file: 'small-batch',
    caption: 'Test error by per-replica batch size; bars are 95 % intervals over the seeds.',
    plot: {
      ...AXES,
      title: 'The cost of small per-device batches',
      yLabel: 'test error, %',
      series: size.norms.map((norm) => seriesOf(norm, size, (batch) => errors.of(norm, batch))),
    },
  };
}

function publishedPlot(errors: Errors, size: SmallBatchSize): AnalysisPlot {
  const { norms, batches, largest } = size;
  const from = PUBLISHED.batches.indexOf(largest);
  const publishedRise = (name: string, values: readonly number[]): PlotSeries => ({
    name,
    style: 'dashed',
    points: PUBLISHED.batches.flatMap((batch, i) =>
      batches.includes(batch) ? [{ x: batch, y: values[i]! - values[from]! }] : [],
    ),
  });
  return {
    file: 'published',
    caption:
      `How far the error is above that at ${largest} samples, compared with ResNet-50 on ` +
      'ImageNet (Wu and He 2018).',
    plot: {
      ...AXES,
      title: 'The shape compared with the published one',
      yLabel: `points above the error at ${largest}`,
      series: [
        ...norms.map((norm) => seriesOf(norm, size, (batch) => errors.rise(norm, size, batch))),
        publishedRise('ResNet-50, local batch norm', PUBLISHED.BN),
        publishedRise('ResNet-50, group norm', PUBLISHED.GN),
      ],
    },
  };
}

function verdictsOf(errors: Errors, size: SmallBatchSize): readonly ClaimVerdict[] {
  const { norms, batches, largest, smallest } = size;
  const shown = { digits: 2, unit: '%' } as const;
  const side = (norm: ComparedNorm, batch: number) => ({
    name: `${REPLICA_NORM_TITLES[norm]} at ${batch}`,
    values: errors.of(norm, batch),
  });
  const rise = (norm: ComparedNorm) => ({
    name: `rise of ${REPLICA_NORM_TITLES[norm]}`,
    values: errors.rise(norm, size, smallest),
  });
  const has = (...wanted: readonly ComparedNorm[]): boolean =>
    wanted.every((norm) => norms.includes(norm));
  const hasRange = batches.length > 1;
  const verdicts: ClaimVerdict[] = [];
  if (has('local') && hasRange) {
    verdicts.push(
      judge({
        claim: `Local batch norm has a larger error at ${smallest} than at ${largest}`,
        a: side('local', smallest),
        b: side('local', largest),
        claimed: 'above',
        ...shown,
      }),
    );
  }
  if (has('local', 'sync')) {
    verdicts.push(
      judge({
        claim: `At ${smallest} samples, local batch norm has a larger error than SyncBN`,
        a: side('local', smallest),
        b: side('sync', smallest),
        claimed: 'above',
        ...shown,
      }),
    );
  }
  if (has('sync')) {
    verdicts.push(
      judgeSame({
        claim:
          `SyncBN over ${REPLICAS} replicas of ${smallest} has the same error as batch norm on ` +
          `one device with all ${REPLICAS * smallest}, within ${SAME_POINTS} points`,
        a: side('sync', smallest),
        b: { name: SINGLE_TITLE, values: errors.single },
        margin: SAME_POINTS,
        ...shown,
      }),
    );
  }
  if (has('group') && hasRange) {
    verdicts.push(
      judgeSame({
        claim:
          `Group norm is flat: its error at ${smallest} is the same as at ${largest}, within ` +
          `${SAME_POINTS} points`,
        a: side('group', smallest),
        b: side('group', largest),
        margin: SAME_POINTS,
        ...shown,
      }),
    );
  }
  if (has('local', 'group') && hasRange) {
    verdicts.push(
      judge({
        claim:
          `From ${largest} to ${smallest}, the error of group norm rises less than that of ` +
          'local batch norm',
        a: rise('group'),
        b: rise('local'),
        claimed: 'below',
        ...shown,
      }),
    );
  }
  return verdicts;
}
