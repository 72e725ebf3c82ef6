// Segmentation: a U-Net classes the pixels of images so large that a device holds one or two. Batch
// norm then sees one or two images where each replica is alone, all of the global batch where it is
// synchronized; group norm does not care. Evaluation is by running statistics.

import { UsageError } from '../../base/errors.ts';
import type { Dataset } from '../../data/dataset.ts';
import { convertNorm } from '../../nn/convert/convertNorm.ts';
import { namedModel } from '../../nn/models/models.ts';
import { crossEntropy } from '../../nn/specs/losses.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import { adam } from '../../optim/optimizer.ts';
import { cosine } from '../../optim/schedule.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import {
  batchesFrom,
  COMPARED_NORMS,
  type ComparedNorm,
  netSettings,
  netWith,
  normsAgainst,
  stepsFrom,
} from '../engine/choices.ts';
import {
  bySeed,
  cell,
  choiceIn,
  judge,
  judgeSame,
  listCurve,
  numberIn,
  numberOf,
  type SeedValues,
  seedsOf,
  select,
} from '../engine/compare.ts';
import type {
  Analysis,
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
import { capitalized, NORM_TITLES } from './plainNets.ts';

const STEPS = { full: 2000, quick: 500 };
/** Windows of the loss's curve. */
const WINDOWS = 10;
const REPLICAS = 8;
const REPLICA_BATCHES = [2, 1];
const RATE = 0.005;
/** Of the U-Net's 32 channels at the top 8 are enough here. */
const WIDTH = 0.25;
/** Four of five pixels are background, which has class 0. */
const BACKGROUND_WEIGHT = 0.2;
/** Mean IoU, in points, within which two norms count as the same. */
const MARGIN = 3;

function normsOf(options: ExperimentOptions): readonly ComparedNorm[] {
  return normsAgainst(options, ['sync', 'local', 'group']);
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const own = options.quick ? STEPS.quick : STEPS.full;
  return seedsOf(options).flatMap((seed) =>
    batchesFrom(options, REPLICA_BATCHES).flatMap((replicaBatch) =>
      normsOf(options).map((norm): RunSpec => {
        const steps = stepsFrom(options, REPLICAS * replicaBatch, own);
        const run = { norm, rate: options.lr ?? RATE, replicas: REPLICAS, replicaBatch, steps };
        return {
          label: `${NORM_TITLES[norm]}, ${imagesOf(replicaBatch)} a replica, seed ${seed}`,
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
  let scores = { meanIou: 0, error: 1 };
  const curve = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      loss: crossEntropy({ classWeights: [BACKGROUND_WEIGHT, ...others] }),
      optimizer: adam({ lr: numberIn(settings, 'rate') }),
      schedule: cosine(),
      replicas: numberIn(settings, 'replicas'),
      replicaBatch: numberIn(settings, 'replicaBatch'),
      steps,
      windowSteps: Math.ceil(steps / WINDOWS),
      seed: numberIn(settings, 'seed'),
      atEnd: async (trainer) => {
        scores = await scoresOf(trainer);
      },
    },
    context,
  );
  return { values: { ...scores, losses: curve.losses }, timings: { trainMs: curve.trainMs } };
}

async function scoresOf(trainer: Trainer): Promise<{ meanIou: number; error: number }> {
  const { meanIou, accuracy } = await trainer.evaluate('test');
  return { meanIou: meanIou ?? 0, error: 1 - accuracy };
}

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const norms = normsOf(options);
  const batches = batchesFrom(options, REPLICA_BATCHES);
  const scoreOf = (norm: ComparedNorm, replicaBatch: number): SeedValues =>
    bySeed(results, { norm, replicaBatch }, (result) => 100 * numberOf(result, 'meanIou'));
  const side = (norm: ComparedNorm, replicaBatch: number) => ({
    name: NORM_TITLES[norm],
    values: scoreOf(norm, replicaBatch),
  });
  const shown = { digits: 1, unit: 'points' };
  const verdicts = batches.flatMap((replicaBatch): ClaimVerdict[] => {
    const where = `With ${imagesOf(replicaBatch)} a replica`;
    return norms
      .filter((norm) => norm !== 'sync')
      .map((norm) => {
        const [a, b] = [side('sync', replicaBatch), side(norm, replicaBatch)];
        if (norm !== 'group') {
          const claim = `${where} synchronized ${NORM_TITLES.sync} finds more than ${b.name}`;
          return judge({ claim, claimed: 'above', a, b, ...shown });
        }
        const claim = `${where} synchronized ${NORM_TITLES.sync} and ${b.name} find as much`;
        return judgeSame({ claim, margin: MARGIN, a, b, ...shown });
      });
  });
  const smallest = batches.at(-1)!;
  const windows = Array.from({ length: WINDOWS }, (_, i) => i + 1);
  return {
    tables: [
      {
        caption: 'Mean IoU on the test scenes, means over the seeds with 95 % intervals',
        columns: ['norm', ...batches.map((batch) => `${imagesOf(batch)} a replica`)],
        rows: norms.map((norm) => [
          NORM_TITLES[norm],
          ...batches.map((batch) => cell(scoreOf(norm, batch), 1, '%')),
        ]),
      },
    ],
    plots: [
      {
        file: 'training-loss',
        caption: `Training loss with ${imagesOf(smallest)} a replica, mean over the seeds`,
        plot: {
          title: `Training loss, ${imagesOf(smallest)} a replica`,
          xLabel: 'tenths of the training',
          yLabel: 'cross-entropy',
          yScale: 'log',
          series: norms.map((norm) =>
            listCurve(
              NORM_TITLES[norm],
              select(results, { norm, replicaBatch: smallest }),
              'losses',
              windows,
            ),
          ),
        },
      },
    ],
    verdicts,
    notes: [
      `${capitalized(NORM_TITLES.local)} trains by the statistics of each replica's own images ` +
        'and evaluates by running ones, which are means over the replicas: with one image a ' +
        'replica these say little of any image. The losses are those of training, where this ' +
        'does not show.',
      'Mean IoU is the mean over the classes, background included, of intersection over union of ' +
        'predicted and true pixels, over all test scenes together.',
    ],
  };
}

/** See docs/experiments/segmentation.md. */
export const segmentation: Experiment = {
  name: 'segmentation',
  title: 'One or two large images a replica',
  hypothesis:
    'A U-Net that sees one or two images a replica finds fewer pixels with batch norm by replica ' +
    'than with synchronized batch norm; group norm does as well as the latter.',
  defaults: { data: 'scenes', quickData: 'scenes', seeds: 3, quickSeeds: 2 },
  choices: {
    model: true,
    lr: true,
    'replica-batches': true,
    norms: true,
    epochs: true,
  },
  plan,
  nets,
  run,
  resultSchema: () => resultWith(['meanIou', 'error'], { losses: 1 }),
  analyse,
};
