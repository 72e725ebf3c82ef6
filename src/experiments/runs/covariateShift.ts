// Internal covariate shift: how far the distribution of each layer's inputs moves on a fixed probe
// batch, from one step to the next and over a whole training run (Ioffe and Szegedy 2015), with and
// without batch norm. Also measures what Santurkar et al. 2018 did (landscape.ts) at those steps.

import type { Dataset } from '../../data/dataset.ts';
import { sgd } from '../../optim/optimizer.ts';
import { bindProbe, type Probe } from '../../runtime/probe.ts';
import {
  type ComparedNorm,
  normsAgainst,
  oneBatchFrom,
  stepsFrom,
  TRAINING_CHOICES,
} from '../engine/choices.ts';
import { numberIn } from '../engine/compare.ts';
import type {
  Experiment,
  ExperimentOptions,
  RunContext,
  RunResult,
  RunSpec,
} from '../engine/experiment.ts';
import type { RunValues } from '../engine/resultSchema.ts';
import { resultWith } from '../engine/resultSchema.ts';
import { someTrain } from '../engine/samples.ts';
import { analyseShift, LISTS, type ShiftSubject } from './covariateShiftAnalysis.ts';
import {
  type Distances,
  type Distribution,
  distancesOf,
  distributionOf,
} from './inputDistributions.ts';
import { gradientShifts, type Landscape, landscapeAt } from './landscape.ts';
import { trainCurve } from './lossCurve.ts';
import { convNetWith, DEEP_STAGES } from './plainNets.ts';
import { runsByNorm } from './runsByNorm.ts';

const FULL = { steps: 600, every: 50 };
const QUICK = { steps: 160, every: 20 };
const REPLICAS = 4;
const REPLICA_BATCH = 8;
const RATE = 0.1;
/** Replicas of the probe: 64 samples with the default batch size. */
const PROBE_REPLICAS = 8;
/** Replaces values that have diverged, so that files can hold them. */
const LARGEST = 1e6;

function normsOf(options: ExperimentOptions): readonly ComparedNorm[] {
  return normsAgainst(options, ['none', 'sync']);
}

/** The steps, as a whole number of intervals between looks, at least two. */
function sizeOf(options: ExperimentOptions): typeof FULL {
  const { steps: own, every } = options.quick ? QUICK : FULL;
  const batch = REPLICAS * oneBatchFrom(options, REPLICA_BATCH);
  const steps = stepsFrom(options, batch, own);
  return { steps: Math.max(2, Math.ceil(steps / every)) * every, every };
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const size = sizeOf(options);
  const batch = { replicas: REPLICAS, replicaBatch: oneBatchFrom(options, REPLICA_BATCH) };
  return runsByNorm(options, {
    norms: normsOf(options),
    cases: [{ settings: { rate: options.lr ?? RATE } }],
    settings: { ...batch, ...size },
    costOf: () => size.steps,
  });
}

const nets = convNetWith(DEEP_STAGES);

async function run({ settings }: RunSpec, context: RunContext): Promise<RunValues> {
  const model = nets(settings, context)[0]!;
  const seed = numberIn(settings, 'seed');
  const rate = numberIn(settings, 'rate');
  const every = numberIn(settings, 'every');
  const replicaBatch = numberIn(settings, 'replicaBatch');
  const data = probeData(context.dataset, PROBE_REPLICAS * replicaBatch);
  const optimizer = sgd({ lr: rate });
  const probe = bindProbe({ model, data, optimizer, replicas: PROBE_REPLICAS, seed });
  const looks = new Looks(probe, rate);
  // The probe and the run start with the same weights.
  looks.begin();
  const curve = await trainCurve(
    {
      model,
      optimizer,
      replicas: numberIn(settings, 'replicas'),
      replicaBatch,
      steps: numberIn(settings, 'steps'),
      windowSteps: [1, every - 1],
      seed,
      onWindow(trainer) {
        probe.load(trainer.weights());
        if (trainer.step % every === 1) looks.afterStep();
        else looks.begin();
      },
    },
    context,
  );
  return {
    values: { ...looks.result(), loss: curve.losses.at(-1)! },
    timings: { trainMs: curve.trainMs },
  };
}

/** The probe's data: `count` of the training samples, and no test samples. */
function probeData(dataset: Dataset, count: number): Dataset {
  const { inputs, targets } = dataset.test;
  const test = { count: 0, inputs: inputs.subarray(0, 0), targets: targets.subarray(0, 0) };
  return someTrain({ ...dataset, test }, Math.min(count, dataset.train.count));
}

/** Records what the probe sees at the start of each interval and one step later. */
class Looks {
  private readonly probe: Probe;
  private readonly rate: number;
  private before = new Float32Array();
  /** For each look, by layer. */
  private readonly distributions: (readonly Distribution[])[] = [];
  private readonly steps: (readonly Distances[])[] = [];
  private readonly landscapes: Landscape[] = [];
  private readonly gradientShifts: (readonly number[])[] = [];

  constructor(probe: Probe, rate: number) {
    this.probe = probe;
    this.rate = rate;
  }

  /** Looks at the probe's current parameters, at the start of an interval. */
  begin(): void {
    this.distributions.push(this.see());
    this.landscapes.push(landscapeAt(this.probe, this.rate));
    this.before = this.probe.parameters.slice();
  }

  /** Looks at the parameters one step later. */
  afterStep(): void {
    const after = this.probe.parameters.slice();
    const before = this.distributions.at(-1)!;
    this.steps.push(this.see().map((now, layer) => distancesOf(before[layer]!, now)));
    this.gradientShifts.push(gradientShifts(this.probe, this.before, after));
  }

  result(): Readonly<Record<string, readonly number[]>> {
    const { distributions, steps, landscapes } = this;
    const [first, last] = [distributions[0]!, distributions.at(-1)!];
    const middle = distributions[Math.floor(distributions.length / 2)]!;
    const between = (a: readonly Distribution[], b: readonly Distribution[]) =>
      a.map((one, layer) => distancesOf(one, b[layer]!));
    const whole = between(first, last);
    const lists = {
      stepShift: byLayer(steps.map((layers) => layers.map(({ shift }) => shift))),
      drift: whole.map(({ shift }) => shift),
      meanDrift: whole.map(({ mean }) => mean),
      stdDrift: whole.map(({ std }) => std),
      lateDrift: between(middle, last).map(({ shift }) => shift),
      driftByLook: distributions.map((now) => meanOf(between(first, now).map((d) => d.shift))),
      stepShiftByLook: steps.map((layers) => meanOf(layers.map(({ shift }) => shift))),
      gradientShift: byLayer(this.gradientShifts),
      lossRange: landscapes.map(({ lossRange }) => lossRange),
      gradientChange: landscapes.map(({ gradientChange }) => gradientChange),
      relativeChange: landscapes.map(({ relativeChange }) => relativeChange),
    };
    return Object.fromEntries(
      Object.entries(lists).map(([name, values]) => [name, values.map(limited)]),
    );
  }

  /** Distributions of the inputs of all layers but the first, the inputs of which are the data. */
  private see(): readonly Distribution[] {
    const found: Distribution[] = [];
    this.probe.run((layer, inputs) => {
      if (layer > 0) found.push(distributionOf(inputs, this.probe.layers[layer]!.channels));
    });
    return found;
  }
}

/** The mean over the looks, by layer. */
function byLayer(looks: readonly (readonly number[])[]): readonly number[] {
  return looks[0]!.map((_, layer) => meanOf(looks.map((layers) => layers[layer]!)));
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function limited(value: number): number {
  return Number.isNaN(value) ? LARGEST : Math.min(value, LARGEST);
}

function analyse(results: readonly RunResult[], options: ExperimentOptions) {
  const subject: ShiftSubject = { norms: normsOf(options), ...sizeOf(options) };
  return analyseShift(results, subject);
}

/** See docs/experiments/covariate-shift.md. */
export const covariateShift: Experiment = {
  name: 'covariate-shift',
  title: 'Internal covariate shift and smoother losses',
  hypothesis:
    "With batch norm, the distribution of each layer's inputs moves less, from step to step and " +
    'over a training, and loss and gradient are more predictable along a step.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 5, quickSeeds: 3 },
  choices: TRAINING_CHOICES,
  plan,
  nets,
  run,
  resultSchema: () => resultWith(['loss'], Object.fromEntries(LISTS.map((name) => [name, 1]))),
  analyse,
};
