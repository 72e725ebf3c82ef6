// Analyzes the runs of fine-tuning: test errors by treatment of the batch norms, for similar images
// and for negatives, and verdicts on what freezing costs and saves.

import { batchesFrom } from '../engine/choices.ts';
import {
  bySeed,
  cell,
  curve,
  judge,
  judgeSame,
  listCurve,
  numberOf,
  type SeedValues,
  select,
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
  AnalysisTable,
  ClaimVerdict,
  ExperimentOptions,
  RunResult,
} from '../engine/experiment.ts';

/** Largest first. */
export const REPLICA_BATCHES: readonly number[] = [2, 1];
export const LOSS_WINDOWS = 10;
/** Differences up to this many percentage points count as equal. */
const SAME_POINTS = 1;

export const WAYS = ['sync', 'local', 'statistics', 'frozen'] as const;
export type Way = (typeof WAYS)[number];
const TITLES: Readonly<Record<Way, string>> = {
  sync: 'SyncBN',
  local: 'local batch norm',
  statistics: 'frozen statistics',
  frozen: 'frozen batch norm',
};

export const TARGETS = ['alike', 'negative'] as const;
export type Target = (typeof TARGETS)[number];
const ON: Readonly<Record<Target, string>> = {
  alike: 'images like those before',
  negative: 'negatives',
};

export function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const batches = batchesFrom(options, REPLICA_BATCHES);
  const smallest = batches.at(-1)!;
  return {
    tables: TARGETS.map((target) => errorTable(results, target, batches)),
    plots: TARGETS.flatMap((target) => [
      errorPlot(results, target, batches),
      lossPlot(results, target, smallest),
    ]),
    verdicts: TARGETS.flatMap((target) =>
      batches.flatMap((batch) => verdictsAt(results, target, batch)),
    ),
    notes: [
      'The net is trained with SyncBN and batches of 64 on the second half of the classes, then ' +
        'fine-tuned on samples of the first half with a new last layer. Each variant starts from ' +
        'the same weights and sees the same batches. All layers train, except for the frozen ' +
        'parts of batch norms.',
      'Frozen statistics: batch norms normalize with the running statistics of the pretrained ' +
        'net, which do not change; weight and bias train. Frozen batch norm: weight and bias do ' +
        "not change either, as in torchvision's FrozenBatchNorm2d.",
      'Negatives swap dark and bright, but are standardized as the earlier images were. The ' +
        'pretrained statistics are then those of other images.',
      'The learning rate is the same for all variants. Each was tried at three rates before.',
    ],
  };
}

function errorsOf(
  results: readonly RunResult[],
  way: Way,
  target: Target,
  replicaBatch: number,
): SeedValues {
  return bySeed(results, { target, replicaBatch }, (result) => numberOf(result, way));
}

const imagesOf = (batch: number): string => `${batch} image${batch === 1 ? '' : 's'} per replica`;

function errorTable(
  results: readonly RunResult[],
  target: Target,
  batches: readonly number[],
): AnalysisTable {
  return {
    caption: `Test error on ${ON[target]}, means over the seeds with 95 % intervals`,
    columns: ['batch norms', ...batches.map(imagesOf)],
    rows: WAYS.map((way) => [
      TITLES[way],
      ...batches.map((batch) => cell(errorsOf(results, way, target, batch), 2, '%')),
    ]),
  };
}

function errorPlot(
  results: readonly RunResult[],
  target: Target,
  batches: readonly number[],
): AnalysisPlot {
  return {
    file: `error-${target}`,
    caption: `Test error on ${ON[target]}; bars are 95 % intervals over the seeds.`,
    plot: {
      title: `Fine-tuning on ${ON[target]}`,
      xLabel: 'per-replica batch size',
      xScale: 'category',
      yLabel: 'test error, %',
      series: WAYS.map((way) =>
        curve(
          TITLES[way],
          batches.map((x) => ({ x, values: [...errorsOf(results, way, target, x).values()] })),
        ),
      ),
    },
  };
}

function lossPlot(
  results: readonly RunResult[],
  target: Target,
  replicaBatch: number,
): AnalysisPlot {
  const windows = Array.from({ length: LOSS_WINDOWS }, (_, i) => i + 1);
  const runs = select(results, { target, replicaBatch });
  return {
    file: `loss-${target}`,
    caption: `Training loss on ${ON[target]} with ${imagesOf(replicaBatch)}, mean over the seeds`,
    plot: {
      title: `Training loss on ${ON[target]}, ${imagesOf(replicaBatch)}`,
      xLabel: 'tenths of the fine-tuning',
      yLabel: 'cross-entropy',
      yScale: 'log',
      series: WAYS.map((way) => listCurve(TITLES[way], runs, `${way}Losses`, windows)),
    },
  };
}

function verdictsAt(
  results: readonly RunResult[],
  target: Target,
  batch: number,
): readonly ClaimVerdict[] {
  const where = `On ${ON[target]}, ${imagesOf(batch)}:`;
  const side = (way: Way) => ({
    name: TITLES[way],
    values: errorsOf(results, way, target, batch),
  });
  const shown = { digits: 2, unit: '%' } as const;
  const lower = (a: Way, b: Way): ClaimVerdict =>
    judge({
      claim: `${where} ${TITLES[a]} has a lower error than ${TITLES[b]}`,
      ...{ a: side(a), b: side(b), claimed: 'below', ...shown },
    });
  const same: ClaimVerdict = judgeSame({
    claim:
      `${where} ${TITLES.frozen} has the same error as ${TITLES.sync}, ` +
      `within ${SAME_POINTS} point`,
    ...{ a: side('frozen'), b: side('sync'), margin: SAME_POINTS, ...shown },
  });
  return [
    lower('sync', 'local'),
    lower('frozen', 'local'),
    target === 'alike' ? same : lower('sync', 'frozen'),
  ];
}
