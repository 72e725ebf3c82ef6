// Style: nets trained on unchanged images are tested on images with changed contrast and
// brightness, random for each image. Instance norm removes an image's mean and scale (Ulyanov et
// al. 2016); batch norm in evaluation expects those of training.

import { Purpose, RandomStream } from '../../base/random.ts';
import { channelsOf, sizeOf } from '../../base/shape.ts';
import type { Dataset } from '../../data/dataset.ts';
import { sgd } from '../../optim/optimizer.ts';
import type { Trainer } from '../../runtime/trainer.ts';
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
  cell,
  curve,
  judge,
  listOf,
  numberIn,
  type SeedValues,
  subtract,
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
import { convNetWith, NORM_TITLES, SHALLOW_STAGES } from './plainNets.ts';
import { runsByNorm } from './runsByNorm.ts';

/** Strengths of the change, from none to losing nearly all contrast. */
export const STRENGTHS = [0, 0.2, 0.4, 0.6, 0.8] as const;
const STRONG = 0.6;
const FULL = { steps: 800, tested: 5000 };
const QUICK = { steps: 200, tested: 1000 };
const REPLICAS = 4;
const REPLICA_BATCH = 8;
const RATE = 0.05;
const BYTE_RANGE = 255;

/** Batch norm and the norms compared with it. */
function normsOf(options: ExperimentOptions): readonly ComparedNorm[] {
  return normsAgainst(options, ['sync', 'instance', 'group', 'none']);
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const own = options.quick ? QUICK : FULL;
  const replicaBatch = oneBatchFrom(options, REPLICA_BATCH);
  const batch = { replicas: REPLICAS, replicaBatch };
  const size = { ...own, steps: stepsFrom(options, REPLICAS * replicaBatch, own.steps) };
  return runsByNorm(options, {
    norms: normsOf(options),
    cases: [{ settings: { rate: options.lr ?? RATE } }],
    settings: { ...batch, ...size },
    costOf: () => 1,
  });
}

const nets = convNetWith(SHALLOW_STAGES);

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const { dataset } = context;
  const tested = Math.min(numberIn(settings, 'tested'), dataset.test.count);
  const errors: number[] = [];
  const curveOfRun = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      optimizer: sgd({ lr: numberIn(settings, 'rate'), momentum: 0.9 }),
      ...batchAndSeedIn(settings),
      steps: numberIn(settings, 'steps'),
      windowSteps: Math.ceil(numberIn(settings, 'steps') / 10),
      atEnd: async (trainer) => {
        for (const strength of STRENGTHS) {
          errors.push(await errorOn(trainer, dataset, { strength, tested }));
        }
      },
    },
    context,
  );
  return {
    values: { errors, loss: curveOfRun.losses.at(-1)! },
    timings: { trainMs: curveOfRun.trainMs },
  };
}

interface Shift {
  readonly strength: number;
  /** Number of test images to use, from the first on. */
  readonly tested: number;
}

/** The share of misclassified shifted test images. */
async function errorOn(trainer: Trainer, dataset: Dataset, shift: Shift): Promise<number> {
  const outputs = await trainer.predict(shiftImages(dataset, shift));
  const classes = outputs.length / shift.tested;
  let wrong = 0;
  for (let i = 0; i < shift.tested; i++) {
    const row = outputs.subarray(i * classes, (i + 1) * classes);
    const best = row.reduce((at, value, k) => (value > row[at]! ? k : at), 0);
    if (best !== dataset.test.targets[i]) wrong++;
  }
  return wrong / shift.tested;
}

/** Changes contrast and brightness of test images: x' = c x + b (1 - c), a dimmed image under a
 * veil of gray. c is uniform in [1 - strength, 1 - strength / 2]. b is uniform in [0, 255] for
 * bytes, which thus stay in range; for floats in the dataset's mean -+ 2 std of each channel. Every
 * image has its own c and b, which are the same in every run. Strength 0 changes nothing. */
export function shiftImages(dataset: Dataset, shift: Shift): Uint8Array | Float32Array {
  const { inputs } = dataset.test;
  const size = sizeOf(dataset.inputShape);
  const channels = channelsOf(dataset.inputShape);
  const isBytes = inputs instanceof Uint8Array;
  const shifted = inputs.slice(0, shift.tested * size);
  const random = new RandomStream();
  for (let i = 0; i < shift.tested; i++) {
    random.reset(0, Purpose.synthetic, i, 0);
    const contrast = 1 - shift.strength * (0.5 + 0.5 * random.nextUniform());
    const gray = random.nextUniform();
    for (let j = i * size; j < (i + 1) * size; j++) {
      const c = j % channels;
      const [mean, std] = [dataset.mean[c]!, dataset.std[c]!];
      const veil = isBytes ? gray * BYTE_RANGE : mean + (4 * gray - 2) * std;
      const value = contrast * shifted[j]! + (1 - contrast) * veil;
      shifted[j] = isBytes ? Math.round(value) : value;
    }
  }
  return shifted;
}

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const norms = normsOf(options);
  const has = (norm: ComparedNorm): boolean => norms.includes(norm);
  const errors = (norm: ComparedNorm, strength: (typeof STRENGTHS)[number]): SeedValues => {
    const index = STRENGTHS.indexOf(strength);
    return bySeed(results, { norm }, (result) => 100 * listOf(result, 'errors')[index]!);
  };
  const fall = (norm: ComparedNorm) => ({
    name: `${NORM_TITLES[norm]} loses`,
    values: subtract(errors(norm, STRONG), errors(norm, 0)),
  });
  const shown = { digits: 2, unit: '%' };
  return {
    tables: [
      {
        caption: 'Test error by strength of the shift, means over the seeds with 95 % intervals',
        columns: ['norm', ...STRENGTHS.map((strength) => `strength ${strength}`)],
        rows: norms.map((norm) => [
          NORM_TITLES[norm],
          ...STRENGTHS.map((strength) => cell(errors(norm, strength), 2, '%')),
        ]),
      },
    ],
    plots: [
      {
        file: 'error-by-shift',
        caption: 'Test error by strength of the shift, mean over the seeds',
        plot: {
          title: 'Test error on images with another contrast and brightness',
          xLabel: 'strength of the shift',
          yLabel: 'test error, %',
          series: norms.map((norm) =>
            curve(
              NORM_TITLES[norm],
              STRENGTHS.map((x) => ({ x, values: [...errors(norm, x).values()] })),
            ),
          ),
        },
      },
    ],
    verdicts: [
      ...norms
        .filter((norm) => norm !== 'sync' && (norm !== 'none' || options.norms !== undefined))
        .map((norm) =>
          judge({
            claim:
              `When contrast and brightness shift (strength ${STRONG}), ` +
              `${NORM_TITLES[norm]} loses less than batch norm`,
            claimed: 'below',
            a: fall(norm),
            b: fall('sync'),
            ...shown,
          }),
        ),
      ...(has('instance')
        ? [
            judge({
              claim:
                'On images as in training, instance norm has the higher error: it removes contrast',
              claimed: 'above',
              a: { name: NORM_TITLES.instance, values: errors('instance', 0) },
              b: { name: NORM_TITLES.sync, values: errors('sync', 0) },
              ...shown,
            }),
          ]
        : []),
    ],
    notes: [
      'Each test image x becomes c x + (1 - c) g, with its own contrast c and gray g. All nets ' +
        'see the same images. Nothing is clipped; bytes are rounded.',
      'Convolutions pad with the mean of the training images, so even instance norm sees the ' +
        'brightness along the border.',
    ],
  };
}

/** See docs/experiments/style.md. */
export const style: Experiment = {
  name: 'style',
  title: 'Images with another contrast',
  hypothesis:
    'When contrast and brightness of the images shift after training, instance norm loses less ' +
    'than batch norm, at some cost on images that do not shift.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 5, quickSeeds: 2 },
  choices: TRAINING_CHOICES,
  plan,
  nets,
  run,
  resultSchema: () => resultWith(['loss'], { errors: STRENGTHS.length }),
  analyse,
};
