// Gradient flow: norms of the weight gradients by depth in deep plain perceptrons, with and without
// batch normalization, for three kinds of layers. Only hidden layers of the same shape are
// compared; the first layer and the last, which outputs classes, are left out.

import type { LayerSpec } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import {
  COMPARED_NORMS,
  type ComparedNorm,
  netWith,
  normsAgainst,
  oneBatchFrom,
  stepsFrom,
  TRAINING_CHOICES,
} from '../engine/choices.ts';
import {
  batchAndSeedIn,
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
import { LOSS_LIMIT, trainCurve } from './lossCurve.ts';
import { NORM_TITLES, plainPerceptron, purposeOf } from './plainNets.ts';
import { runsByNorm } from './runsByNorm.ts';

/** The kinds of layers. The first two lose signal with depth; the third preserves it initially. */
const CASES = {
  'relu-torch': { activation: 'relu', init: 'torch', title: 'ReLU, default init' },
  'sigmoid-torch': { activation: 'sigmoid', init: 'torch', title: 'sigmoid, default init' },
  'relu-kaiming': { activation: 'relu', init: 'kaimingNormal', title: 'ReLU, Kaiming init' },
} as const;
/** The experiment's nets; with the caller's net there is one case. */
const OWN_CASES = Object.keys(CASES) as (keyof typeof CASES)[];
const CALLERS_CASE = 'given';
type CaseName = keyof typeof CASES | typeof CALLERS_CASE;

function casesOf({ net }: ExperimentOptions): readonly CaseName[] {
  return net === undefined ? OWN_CASES : [CALLERS_CASE];
}

function titleOf(name: CaseName): string {
  return name === CALLERS_CASE ? 'the net' : CASES[name].title;
}

const FULL = { depth: 20, width: 64, steps: 600, sampleSteps: 50 };
const QUICK = { depth: 12, width: 64, steps: 120, sampleSteps: 20 };
const REPLICAS = 4;
const REPLICA_BATCH = 16;
const RATE = 0.1;
/** Replaces a gradient that is 0 or too small for float32, so that logarithms stay finite. */
const SMALLEST_NORM = 1e-38;
/** Replaces a gradient that exceeds float32, as in a net that diverges. */
const LARGEST_NORM = 1e38;

/** `none` and the norms compared with it. */
function normsOf(options: ExperimentOptions): readonly ComparedNorm[] {
  return normsAgainst(options, ['none', 'sync']);
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const own = options.quick ? QUICK : FULL;
  const replicaBatch = oneBatchFrom(options, REPLICA_BATCH);
  const batch = { replicas: REPLICAS, replicaBatch };
  const size = { ...own, steps: stepsFrom(options, REPLICAS * replicaBatch, own.steps) };
  return runsByNorm(options, {
    norms: normsOf(options),
    cases: casesOf(options).map((name) => ({
      labelOf: (norm) => `${titleOf(name)}, ${norm}`,
      settings: { case: name, rate: options.lr ?? RATE },
    })),
    settings: { ...batch, ...size },
    costOf: (norm) => (norm === 'none' ? size.steps : 1.5 * size.steps),
  });
}

function nets(settings: PlainRecord, context: NetContext): readonly LayerSpec[] {
  const norm = choiceIn(settings, 'norm', COMPARED_NORMS);
  const own = (): LayerSpec => {
    const purpose = purposeOf(context.dataset);
    const { activation, init } = CASES[choiceIn(settings, 'case', OWN_CASES)];
    const depth = numberIn(settings, 'depth');
    const width = numberIn(settings, 'width');
    return plainPerceptron({ ...purpose, norm, depth, width, activation, init });
  };
  return [netWith(context, norm, own)];
}

async function run(spec: RunSpec, context: RunContext): Promise<RunValues> {
  const { settings } = spec;
  const sampleSteps = numberIn(settings, 'sampleSteps');
  const samples: (readonly number[])[] = [];
  const curveOfRun = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      optimizer: sgd({ lr: numberIn(settings, 'rate') }),
      ...batchAndSeedIn(settings),
      steps: numberIn(settings, 'steps'),
      windowSteps: sampleSteps,
      diagnosticsEvery: sampleSteps,
      onWindow: (trainer) =>
        samples.push(context.net === undefined ? hiddenNorms(trainer) : weightNorms(trainer)),
    },
    context,
  );
  // The first window's snapshot is from step 0, so this is the gradient of the untrained net.
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

/** The weight gradient norms of hidden layers with as many inputs as outputs, in layer order, at
 * the last snapshot step. */
function hiddenNorms(trainer: Trainer): readonly number[] {
  const found = trainer.gradientNorms();
  const weights = (found?.tensors ?? []).filter(({ name }) => isLinearWeight(trainer, name));
  return weights.slice(1, -1).map(({ norm }) => limitNorm(norm));
}

/** The root mean square gradient of each weight with several axes, in layer order, at the last
 * snapshot step. Unlike norms, these can be compared across layer shapes. */
function weightNorms(trainer: Trainer): readonly number[] {
  const weights = trainer.weights();
  return (trainer.gradientNorms()?.tensors ?? []).flatMap(({ name, norm }) => {
    const tensor = weights.get(name);
    if (tensor === undefined || tensor.shape.length < 2) return [];
    return [limitNorm(norm / Math.sqrt(tensor.values.length))];
  });
}

/** Clamps a norm so that it has a finite logarithm. */
export function limitNorm(norm: number): number {
  if (Number.isNaN(norm)) return LARGEST_NORM;
  return Math.min(Math.max(norm, SMALLEST_NORM), LARGEST_NORM);
}

/** Norms have a weight too, but with one axis. */
function isLinearWeight(trainer: Trainer, name: string): boolean {
  return trainer.weights().get(name)?.shape.length === 2;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** log10 of the ratio of the first hidden layer's gradient to the last one's: vanishing if far
 * below 0, exploding if far above. */
const ratioOf = (list: 'initialNorms' | 'meanNorms'): Measure => {
  return (result) => {
    const norms = listOf(result, list);
    return Math.log10(norms[0]! / norms.at(-1)!);
  };
};

const loss: Measure = (result) => Math.min(numberOf(result, 'loss'), LOSS_LIMIT);

const initial = ratioOf('initialNorms');

function plainVerdict(results: readonly RunResult[], name: CaseName): ClaimVerdict {
  const values = bySeed(results, { case: name, norm: 'none' }, initial);
  return judge({
    claim: `${titleOf(name)}: without a norm the first gradient is less than a tenth of the last`,
    claimed: 'below',
    a: { name: 'log10 of first / last', values },
    b: constantSide('a tenth', values, -1),
    digits: 2,
  });
}

function verdictsOf(
  results: readonly RunResult[],
  name: CaseName,
  norm: ComparedNorm,
): readonly ClaimVerdict[] {
  const title = titleOf(name);
  const withNorm = NORM_TITLES[norm];
  const side = (norm: ComparedNorm, measure: Measure) => ({
    name: NORM_TITLES[norm],
    values: bySeed(results, { case: name, norm }, measure),
  });
  const distance: Measure = (result) => Math.abs(initial(result));
  return [
    judge({
      claim: `${title}: with ${withNorm} the gradients of first and last layer are closer in size`,
      claimed: 'below',
      a: { ...side(norm, distance), name: `|log10 of first / last| with ${withNorm}` },
      b: { ...side('none', distance), name: `with ${NORM_TITLES.none}` },
      digits: 2,
    }),
    judge({
      claim: `${title}: with ${withNorm} the net learns more in the same steps`,
      claimed: 'below',
      a: { ...side(norm, loss), name: `loss at the end with ${withNorm}` },
      b: { ...side('none', loss), name: `with ${NORM_TITLES.none}` },
    }),
  ];
}

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const norms = normsOf(options);
  const cases = casesOf(options);
  const first = options.net === undefined ? 2 : 1;
  const variants = cases.flatMap((name) => norms.map((norm) => ({ case: name, norm })));
  const nameOf = (variant: (typeof variants)[number]): string =>
    `${titleOf(variant.case)}, ${NORM_TITLES[variant.norm]}`;
  return {
    tables: [
      {
        caption: 'log10 of the gradient of the first hidden layer over that of the last',
        columns: ['net', 'before training', 'mean while training', 'loss at the end'],
        rows: variants.map((variant) => [
          nameOf(variant),
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
              x: i + first,
              values: lists.flatMap((list) => list[i] ?? []),
            }));
            const style = variant.norm === 'none' ? ('dashed' as const) : ('solid' as const);
            return { ...curve(nameOf(variant), places), style };
          }),
        },
      },
    ],
    verdicts: cases.flatMap((name) => [
      plainVerdict(results, name),
      ...norms.filter((norm) => norm !== 'none').flatMap((norm) => verdictsOf(results, name, norm)),
    ]),
    notes: [
      (options.net === undefined
        ? 'Only hidden layers from the second on are compared: their weights have one shape. '
        : 'Layers may differ in shape, so the root mean square of each gradient is compared, ' +
          'over all weights with several axes, in the order of the layers. ') +
        `A gradient of 0 counts as ${SMALLEST_NORM}.`,
      'Batch norm makes the loss independent of the scale of the weights before it, so its ' +
        'gradients are inversely proportional to that scale. Ratios between layers with the same ' +
        'init can still be compared.',
    ],
  };
}

/** See docs/experiments/gradient-flow.md. */
export const gradientFlow: Experiment = {
  name: 'gradient-flow',
  title: 'Gradient norms by depth',
  hypothesis:
    'In a deep plain net, gradients vanish on their way to the first layers. With batch norm ' +
    'they do not, and the net learns.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 4, quickSeeds: 2 },
  choices: TRAINING_CHOICES,
  plan,
  nets,
  run,
  resultSchema: () => resultWith(['loss'], { initialNorms: 1, meanNorms: 1 }),
  analyse,
};
