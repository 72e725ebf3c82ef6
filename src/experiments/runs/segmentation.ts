// Segmentation: a U-Net classifies the pixels of scenes. Each replica has one or two images, as is
// common when images are large. Local batch norm then sees only those, SyncBN sees the global
// batch, and group norm is unaffected. Evaluation uses running statistics; for local batch norm
// also statistics with the image counted in, as in training.

import { UsageError } from '../../base/errors.ts';
import type { Dataset } from '../../data/dataset.ts';
import { convertNorm } from '../../nn/convert/convertNorm.ts';
import { namedModel } from '../../nn/models/models.ts';
import { crossEntropy } from '../../nn/specs/losses.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import { adam } from '../../optim/optimizer.ts';
import { cosine } from '../../optim/schedule.ts';
import {
  batchesFrom,
  COMPARED_NORMS,
  type ComparedNorm,
  netSettings,
  netWith,
  normsAgainst,
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
  judgeSame,
  listCurve,
  numberIn,
  numberOf,
  type SeedValues,
  type Side,
  seedsOf,
  select,
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
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
import { evaluateCountedIn } from './countedIn.ts';
import { trainCurve } from './lossCurve.ts';
import { capitalized, REPLICA_NORM_TITLES } from './plainNets.ts';

/** Images that a run trains on. Half the batch size thus takes twice as many steps. */
const IMAGES = { full: 32_000, quick: 12_000 };
/** Windows of the loss curve. */
const WINDOWS = 10;
const REPLICAS = 8;
const REPLICA_BATCHES = [2, 1];
/** Chosen by trying each norm with one seed, 1500 steps and one image per replica: rates 0.001,
 * 0.002, 0.005, 0.01 and 0.02 with background weight 0.1, and weights 0.05 and 0.2 with rate 0.005.
 * This rate was the best for SyncBN (39 %) and 4 points below the best for GroupNorm; local BN
 * reached 11 to 16 % with every rate. */
const RATE = 0.005;
/** Nine of ten pixels are background, which is class 0. With 0.05, nets with any norm learn to
 * distinguish objects (GroupNorm 45 %, SyncBN 34 %); with 0.2, GroupNorm reached only 16 %. */
const BACKGROUND_WEIGHT = 0.05;
/** 8 of the U-Net's 32 channels at the top are enough here. */
const WIDTH = 0.25;
const COUNTED_IN = `${REPLICA_NORM_TITLES.local}, image counted in`;
/** Differences in mean IoU up to this many percentage points count as equal. */
const MARGIN = 3;

function normsOf(options: ExperimentOptions): readonly ComparedNorm[] {
  return normsAgainst(options, ['sync', 'local', 'group']);
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const images = options.quick ? IMAGES.quick : IMAGES.full;
  return seedsOf(options).flatMap((seed) =>
    batchesFrom(options, REPLICA_BATCHES).flatMap((replicaBatch) =>
      normsOf(options).map((norm): RunSpec => {
        const globalBatch = REPLICAS * replicaBatch;
        const steps = stepsFrom(options, globalBatch, Math.floor(images / globalBatch));
        const run = { norm, rate: options.lr ?? RATE, replicas: REPLICAS, replicaBatch, steps };
        return {
          label: [
            REPLICA_NORM_TITLES[norm],
            `${imagesOf(replicaBatch)} per replica`,
            `seed ${seed}`,
          ].join(', '),
          settings: { data: options.data, ...netSettings(options), ...run, seed },
          cost: steps * replicaBatch,
        };
      }),
    ),
  );
}

function imagesOf(replicaBatch: number): string {
  return `${replicaBatch} image${replicaBatch === 1 ? '' : 's'}`;
}

function classesOf({ name, task }: Dataset): number {
  if (task.kind === 'segmentation') return task.classes;
  throw new UsageError({
    what: `the task of ${name}`,
    given: task.kind,
    allowed: 'masks: a class for each pixel',
    hint: '--data scenes',
  });
}

function nets(settings: PlainRecord, context: NetContext): readonly LayerSpec[] {
  const norm = choiceIn(settings, 'norm', COMPARED_NORMS);
  const { inputShape } = context.dataset;
  const classes = classesOf(context.dataset);
  const own = (): LayerSpec =>
    convertNorm(namedModel('unet', { inputShape, classes, width: WIDTH }), {
      to: norm,
      inputShape,
    });
  return [netWith(context, norm, own)];
}

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const steps = numberIn(settings, 'steps');
  const others = new Array<number>(classesOf(context.dataset) - 1).fill(1);
  const norm = choiceIn(settings, 'norm', COMPARED_NORMS);
  let scores: Readonly<Record<string, number>> = {};
  const { losses, trainMs } = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      loss: crossEntropy({ classWeights: [BACKGROUND_WEIGHT, ...others] }),
      optimizer: adam({ lr: numberIn(settings, 'rate') }),
      schedule: cosine(),
      ...batchAndSeedIn(settings),
      steps,
      windowSteps: Math.ceil(steps / WINDOWS),
      atEnd: async (trainer) => {
        const { meanIou, accuracy } = await trainer.evaluate('test');
        scores = { meanIou: meanIou!, error: 1 - accuracy };
        if (norm !== 'local') return;
        const countedIn = await evaluateCountedIn(trainer, context.dataset);
        scores = { ...scores, countedIn: countedIn.meanIou! };
      },
    },
    context,
  );
  return { values: { ...scores, losses }, timings: { trainMs } };
}

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const norms = normsOf(options);
  const batches = batchesFrom(options, REPLICA_BATCHES);
  const smallest = batches.at(-1)!;
  const windows = Array.from({ length: WINDOWS }, (_, i) => i + 1);
  const rowOf = (title: string, norm: ComparedNorm, measure: Score): readonly string[] => [
    title,
    ...batches.map((batch) => cell(scoresOf(results, norm, batch, measure), 1, '%')),
  ];
  return {
    tables: [
      {
        caption: 'Mean IoU on the test scenes, means over the seeds with 95 % intervals',
        columns: ['norm', ...batches.map((batch) => `${imagesOf(batch)} per replica`)],
        rows: norms.flatMap((norm) => [
          rowOf(REPLICA_NORM_TITLES[norm], norm, 'meanIou'),
          ...(norm === 'local' ? [rowOf(COUNTED_IN, norm, 'countedIn')] : []),
        ]),
      },
    ],
    plots: [
      scorePlot(results, norms, batches),
      {
        file: 'training-loss',
        caption: `Training loss with ${imagesOf(smallest)} per replica, mean over the seeds`,
        plot: {
          title: `Training loss, ${imagesOf(smallest)} per replica`,
          xLabel: 'tenths of the training',
          yLabel: 'cross-entropy',
          yScale: 'log',
          series: norms.map((norm) =>
            listCurve(
              REPLICA_NORM_TITLES[norm],
              select(results, { norm, replicaBatch: smallest }),
              'losses',
              windows,
            ),
          ),
        },
      },
    ],
    verdicts: batches.flatMap((batch) => verdictsAt(batch, results, norms)),
    notes: NOTES,
  };
}

type Score = 'meanIou' | 'countedIn';

/** Mean IoU in %. */
function scoresOf(
  results: readonly RunResult[],
  norm: ComparedNorm,
  replicaBatch: number,
  measure: Score,
): SeedValues {
  return bySeed(results, { norm, replicaBatch }, (result) => 100 * numberOf(result, measure));
}

function scorePlot(
  results: readonly RunResult[],
  norms: readonly ComparedNorm[],
  batches: readonly number[],
): AnalysisPlot {
  const line = (title: string, norm: ComparedNorm, measure: Score) =>
    curve(
      title,
      batches.map((x) => ({ x, values: [...scoresOf(results, norm, x, measure).values()] })),
    );
  return {
    file: 'mean-iou',
    caption: 'Mean IoU by per-replica batch size; bars are 95 % intervals over the seeds.',
    plot: {
      title: 'Mean IoU with few images per device',
      xLabel: 'per-replica batch size',
      xScale: 'category',
      yLabel: 'mean IoU, %',
      series: norms.flatMap((norm) => [
        line(REPLICA_NORM_TITLES[norm], norm, 'meanIou'),
        ...(norm === 'local' ? [line(COUNTED_IN, norm, 'countedIn')] : []),
      ]),
    },
  };
}

function verdictsAt(
  replicaBatch: number,
  results: readonly RunResult[],
  norms: readonly ComparedNorm[],
): readonly ClaimVerdict[] {
  const where = `With ${imagesOf(replicaBatch)} per replica`;
  const side = (norm: ComparedNorm, measure: Score = 'meanIou') => ({
    name: measure === 'meanIou' ? REPLICA_NORM_TITLES[norm] : COUNTED_IN,
    values: scoresOf(results, norm, replicaBatch, measure),
  });
  const shown = { digits: 1, unit: 'points' };
  const more = (a: Side, b: Side): ClaimVerdict =>
    judge({
      claim: `${where}, ${a.name} finds more than ${b.name}`,
      ...{ claimed: 'above', a, b, ...shown },
    });
  return [
    ...norms
      .filter((norm) => norm !== 'sync' && norm !== 'group')
      .map((norm) => more(side('sync'), side(norm))),
    ...(norms.includes('group')
      ? [
          judgeSame({
            claim:
              `${where}, ${REPLICA_NORM_TITLES.sync} and ${REPLICA_NORM_TITLES.group} find as ` +
              `much, within ${MARGIN} points`,
            ...{ margin: MARGIN, a: side('sync'), b: side('group'), ...shown },
          }),
        ]
      : []),
    ...(norms.includes('group') && norms.includes('local')
      ? [more(side('group'), side('local'))]
      : []),
    ...(norms.includes('local') ? [more(side('local', 'countedIn'), side('local'))] : []),
  ];
}

const NOTES = [
  `${capitalized(REPLICA_NORM_TITLES.local)} trains with the statistics of each replica's images ` +
    'and evaluates with running ones, which are means over replicas and steps. With one image ' +
    'per replica these say little about any image. The losses are those of training, which hide ' +
    `this. ${capitalized(COUNTED_IN)}: the same weights, evaluated with each image counted into ` +
    'the statistics with its weight in training, which is 1 with one image per replica.',
  'Mean IoU is the mean over the classes, background included, of intersection over union of ' +
    'predicted and true pixels, over all test scenes together. A net that calls everything ' +
    'background has 8 %.',
  'Learning rate and weight of the background are the same for all norms. Each was tried with ' +
    'the same 7 settings before.',
];

/** See docs/experiments/segmentation.md. */
export const segmentation: Experiment = {
  name: 'segmentation',
  title: 'Segmentation with one or two images per replica',
  hypothesis:
    'A U-Net with one or two images per replica finds fewer pixels with local batch norm than ' +
    'with SyncBN; group norm does as well as SyncBN.',
  defaults: { data: 'small-scenes', quickData: 'small-scenes', seeds: 6, quickSeeds: 3 },
  choices: TRAINING_CHOICES,
  plan,
  nets,
  run,
  resultSchema: ({ norm }) =>
    resultWith(['meanIou', 'error', ...(norm === 'local' ? ['countedIn'] : [])], { losses: 1 }),
  analyse,
};
