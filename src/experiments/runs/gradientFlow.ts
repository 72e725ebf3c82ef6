// Gradient flow: norms of the weight gradients by depth in deep plain perceptrons, with batch
// normalization and without, for three ways of making the layers. Only hidden layers of one shape
// are compared; the first, which sees the inputs, and the last, which gives classes, are left out.

import type { LayerSpec } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import {
  bySeed,
  cell,
  choiceIn,
  constantSide,
  curve,
  judge,
  listOf,
  type Measure,
  numberIn,
  numberOf,
  seedsOf,
  select,
} from '../engine/compare.ts';
import type {
  Analysis,
  ClaimVerdict,
  Experiment,
  ExperimentOptions,
  PlainRecord,
  RunContext,
  RunResult,
  RunSpec,
} from '../engine/experiment.ts';
import type { RunValues } from '../engine/resultSchema.ts';
import { resultWith } from '../engine/resultSchema.ts';
import { LOSS_LIMIT, trainCurve } from './lossCurve.ts';
import { type NetPurpose, NORM_TITLES, plainPerceptron, purposeOf } from './plainNets.ts';

const NORMS = ['none', 'sync'] as const;

/** How the layers are made. The first two lose signal with depth, the third keeps it at first. */
const CASES = {
  'relu-torch': { activation: 'relu', init: 'torch', title: 'ReLU, default init' },
  'sigmoid-torch': { activation: 'sigmoid', init: 'torch', title: 'sigmoid, default init' },
  'relu-kaiming': { activation: 'relu', init: 'kaimingNormal', title: 'ReLU, Kaiming init' },
} as const;
type CaseName = keyof typeof CASES;
const CASE_NAMES = Object.keys(CASES) as CaseName[];

const FULL = { depth: 20, width: 64, steps: 600, sampleSteps: 50 };
const QUICK = { depth: 12, width: 64, steps: 120, sampleSteps: 20 };
const BATCH = { replicas: 4, replicaBatch: 16 };
const RATE = 0.1;
/** Stands for a gradient that is 0 or too small for float32, so that logarithms stay finite. */
const SMALLEST_NORM = 1e-38;
/** Stands for a gradient that has left float32, as those of a net that diverges do. */
const LARGEST_NORM = 1e38;

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const size = options.quick ? QUICK : FULL;
  return seedsOf(options).flatMap((seed) =>
    CASE_NAMES.flatMap((name) =>
      NORMS.map((norm) => ({
        label: `${CASES[name].title}, ${NORM_TITLES[norm]}, seed ${seed}`,
        settings: { data: options.data, case: name, norm, rate: RATE, ...BATCH, ...size, seed },
        cost: norm === 'none' ? size.steps : 1.5 * size.steps,
      })),
    ),
  );
}

function modelOf(settings: PlainRecord, purpose: NetPurpose): LayerSpec {
  const { activation, init } = CASES[choiceIn(settings, 'case', CASE_NAMES)];
  const norm = choiceIn(settings, 'norm', NORMS);
  const depth = numberIn(settings, 'depth');
  const width = numberIn(settings, 'width');
  return plainPerceptron({ ...purpose, norm, depth, width, activation, init });
}

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const sampleSteps = numberIn(settings, 'sampleSteps');
  const samples: (readonly number[])[] = [];
  const curveOfRun = await trainCurve(
    {
      model: modelOf(settings, purposeOf(context.dataset)),
      optimizer: sgd({ lr: numberIn(settings, 'rate') }),
      replicas: numberIn(settings, 'replicas'),
      replicaBatch: numberIn(settings, 'replicaBatch'),
      steps: numberIn(settings, 'steps'),
      windowSteps: sampleSteps,
      seed: numberIn(settings, 'seed'),
      diagnosticsEvery: sampleSteps,
      onWindow: (trainer) => samples.push(hiddenNorms(trainer)),
    },
    context,
  );
  // Step 0 leaves a snapshot in the first window, so this is the gradient of the untrained net.
  const first = samples[0]!;
  const logMeans = first.map((_, layer) => mean(samples.map((norms) => Math.log10(norms[layer]!))));
  return {
    values: {
      initialNorms: first,
      meanNorms: logMeans.map((log) => 10 ** log),
      loss: curveOfRun.losses.at(-1)!,
    },
    timings: { trainMs: curveOfRun.trainMs },
  };
}

/** The gradient norms of the weights of hidden layers with as many inputs as outputs, in the order
 * of the layers, of the last snapshot step. */
function hiddenNorms(trainer: Trainer): readonly number[] {
  const found = trainer.gradientNorms();
  const weights = (found?.tensors ?? []).filter(({ name }) => isLinearWeight(trainer, name));
  return weights.slice(1, -1).map(({ norm }) => limitNorm(norm));
}

/** A norm that has a finite logarithm. */
export function limitNorm(norm: number): number {
  if (Number.isNaN(norm)) return LARGEST_NORM;
  return Math.min(Math.max(norm, SMALLEST_NORM), LARGEST_NORM);
}

/** Norms have a weight, too, but of one axis. */
function isLinearWeight(trainer: Trainer, name: string): boolean {
  return trainer.weights().get(name)?.shape.length === 2;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** log10 of the first hidden layer's gradient over the last one's: far below 0 is vanishing, far
 * above 0 is exploding. */
const ratioOf = (list: 'initialNorms' | 'meanNorms'): Measure => {
  return (result) => {
    const norms = listOf(result, list);
    return Math.log10(norms[0]! / norms.at(-1)!);
  };
};

const loss: Measure = (result) => Math.min(numberOf(result, 'loss'), LOSS_LIMIT);

function verdictsOf(results: readonly RunResult[], name: CaseName): readonly ClaimVerdict[] {
  const { title } = CASES[name];
  const side = (norm: (typeof NORMS)[number], measure: Measure) => ({
    name: NORM_TITLES[norm],
    values: bySeed(results, { case: name, norm }, measure),
  });
  const initial = ratioOf('initialNorms');
  const distance: Measure = (result) => Math.abs(initial(result));
  const plain = side('none', initial);
  return [
    judge({
      claim: `${title}: without a norm the first gradient is less than a tenth of the last`,
      claimed: 'below',
      a: { name: 'log10 of first / last', values: plain.values },
      b: constantSide('a tenth', plain.values, -1),
      digits: 2,
    }),
    judge({
      claim: `${title}: with batch norm the gradients of first and last layer are closer in size`,
      claimed: 'below',
      a: { ...side('sync', distance), name: `|log10 of first / last| with ${NORM_TITLES.sync}` },
      b: { ...side('none', distance), name: `with ${NORM_TITLES.none}` },
      digits: 2,
    }),
    judge({
      claim: `${title}: with batch norm the net learns more in the same steps`,
      claimed: 'below',
      a: { ...side('sync', loss), name: `loss at the end with ${NORM_TITLES.sync}` },
      b: { ...side('none', loss), name: `with ${NORM_TITLES.none}` },
    }),
  ];
}

function analyse(results: readonly RunResult[]): Analysis {
  const variants = CASE_NAMES.flatMap((name) => NORMS.map((norm) => ({ case: name, norm })));
  const titleOf = (variant: (typeof variants)[number]): string =>
    `${CASES[variant.case].title}, ${NORM_TITLES[variant.norm]}`;
  return {
    tables: [
      {
        caption: 'log10 of the gradient of the first hidden layer over that of the last',
        columns: ['net', 'before training', 'mean while training', 'loss at the end'],
        rows: variants.map((variant) => [
          titleOf(variant),
          cell(bySeed(results, variant, ratioOf('initialNorms')), 2),
          cell(bySeed(results, variant, ratioOf('meanNorms')), 2),
          cell(bySeed(results, variant, loss)),
        ]),
      },
    ],
    plots: [
      {
        file: 'gradients',
        caption:
          'Norm of the weight gradient by hidden layer, before training, mean over the seeds',
        plot: {
          title: 'Gradient norms by depth before training',
          xLabel: 'hidden layer',
          yLabel: 'gradient norm',
          yScale: 'log',
          series: variants.map((variant) => {
            const lists = select(results, variant).map((result) => listOf(result, 'initialNorms'));
            const depth = Math.max(0, ...lists.map((list) => list.length));
            const places = Array.from({ length: depth }, (_, i) => ({
              x: i + 2,
              values: lists.flatMap((list) => list[i] ?? []),
            }));
            const style = variant.norm === 'none' ? ('dashed' as const) : ('solid' as const);
            return { ...curve(titleOf(variant), places), style };
          }),
        },
      },
    ],
    verdicts: CASE_NAMES.flatMap((name) => verdictsOf(results, name)),
    notes: [
      'Layers 2 to depth are compared, which all have weights of one shape. A gradient of 0 is ' +
        `taken for ${SMALLEST_NORM}.`,
      'Batch norm makes the loss independent of the scale of the weights before it, so its ' +
        'gradients are in inverse proportion to that scale; ratios between layers of one init ' +
        'are comparable all the same.',
    ],
  };
}

/** See docs/experiments/gradient-flow.md. */
export const gradientFlow: Experiment = {
  name: 'gradient-flow',
  title: 'Gradient norms by depth',
  hypothesis:
    'In a deep plain net gradients vanish on their way to the first layers; with batch norm ' +
    'they do not, and the net learns.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 4, quickSeeds: 2 },
  plan,
  run,
  resultSchema: () => resultWith(['loss'], { initialNorms: 1, meanNorms: 1 }),
  analyse,
};
