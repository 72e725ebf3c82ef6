// Overhead: what normalizing costs, as a share of the training step, by batch and channels. Nets
// that differ in nothing but their norms take turns in short windows in one process, so that a
// machine that slows down for a while slows all of them; the median of the windows counts.

import type { LayerSpec } from '../../nn/specs/spec.ts';
import {
  bySeed,
  cell,
  constantSide,
  curve,
  judge,
  type Measure,
  numberIn,
  type SeedValues,
  seedsOf,
  subtract,
} from '../engine/compare.ts';
import type {
  Analysis,
  AnalysisPlot,
  AnalysisTable,
  ClaimVerdict,
  Experiment,
  ExperimentOptions,
  RunContext,
  RunResult,
  RunSpec,
} from '../engine/experiment.ts';
import type { RunValues } from '../engine/resultSchema.ts';
import { resultWith } from '../engine/resultSchema.ts';
import { NORM_TITLES, type PlainNorm, plainConvNet, purposeOf } from './plainNets.ts';
import { timeSteps } from './stepTimes.ts';

const NORMS = ['none', 'local', 'sync', 'group'] as const;
type Norm = (typeof NORMS)[number];

const FULL = {
  replicaBatches: [2, 8, 32],
  channels: [8, 32],
  windows: 15,
  windowSamples: 256,
};
const QUICK = { replicaBatches: [2, 16], channels: [16], windows: 5, windowSamples: 128 };
/** Two replicas are the smallest number that has something to synchronize. */
const REPLICAS = 2;

const TITLES: Readonly<Record<Norm, string>> = { ...NORM_TITLES, sync: 'synchronized batch norm' };

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const { replicaBatches, channels, windows, windowSamples } = options.quick ? QUICK : FULL;
  return seedsOf(options).flatMap((seed) =>
    channels.flatMap((width) =>
      replicaBatches.map((replicaBatch) => ({
        label: `batch ${REPLICAS} x ${replicaBatch}, ${width} channels, seed ${seed}`,
        settings: {
          data: options.data,
          replicas: REPLICAS,
          replicaBatch,
          channels: width,
          windows,
          steps: Math.max(1, windowSamples / (REPLICAS * replicaBatch)),
          seed,
        },
        cost: width,
      })),
    ),
  );
}

async function run({ settings }: RunSpec, context: RunContext): Promise<RunValues> {
  const channels = numberIn(settings, 'channels');
  const windows = numberIn(settings, 'windows');
  const steps = numberIn(settings, 'steps');
  const times = await timeSteps(
    {
      models: NORMS.map((norm) => timedNet(norm, channels, context)),
      replicas: numberIn(settings, 'replicas'),
      replicaBatch: numberIn(settings, 'replicaBatch'),
      windows,
      steps,
      seed: numberIn(settings, 'seed'),
    },
    context,
  );
  const timings = Object.fromEntries(NORMS.map((norm, i) => [`${norm}StepMs`, times[i]!]));
  return { values: { timedSteps: windows * steps }, timings };
}

function timedNet(norm: PlainNorm, channels: number, context: RunContext): LayerSpec {
  const stages = [
    { channels, stride: 1 as const },
    { channels, stride: 2 as const },
    { channels, stride: 2 as const },
  ];
  return plainConvNet({ ...purposeOf(context.dataset), norm, stages });
}

/** The share of the step that is there for the norm, in percent of the step with it. */
function overheadOf(norm: Norm): Measure {
  return ({ timings }) => {
    const withNorm = timings[`${norm}StepMs`]!;
    return 100 * (1 - timings.noneStepMs! / withNorm);
  };
}

function stepMs(norm: Norm): Measure {
  return ({ timings }) => timings[`${norm}StepMs`]!;
}

const NOTES = [
  'The share is 1 - t(no norm) / t(norm) for medians of alternating windows. It is the ' +
    'whole cost of normalizing, forward and backward, not of the statistics alone. The net ' +
    'without a norm has biases instead, whose time is not added.',
  'A seed is a repetition here. These are times: they change from machine to machine, and ' +
    'with what else the machine does.',
  'Synchronizing means something only with two threads or more.',
];

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const { replicaBatches, channels } = options.quick ? QUICK : FULL;
  const widest = channels.at(-1)!;
  const shares: Shares = {
    widest,
    replicaBatches,
    of: (norm, replicaBatch) =>
      bySeed(results, { replicaBatch, channels: widest }, overheadOf(norm)),
  };
  const places = channels.flatMap((width) =>
    replicaBatches.map((replicaBatch) => ({ channels: width, replicaBatch })),
  );
  return {
    tables: [timeTable(results, places)],
    plots: [sharePlot(shares)],
    verdicts: verdictsOf(shares),
    notes: NOTES,
  };
}

/** What the norms of the widest net take. */
interface Shares {
  readonly widest: number;
  readonly replicaBatches: readonly number[];
  /** In percent of the step, by seed. */
  of(norm: Norm, replicaBatch: number): SeedValues;
}

function timeTable(
  results: readonly RunResult[],
  places: readonly { readonly channels: number; readonly replicaBatch: number }[],
): AnalysisTable {
  return {
    caption: 'Time of a step, and the share of it that is there for the norm',
    columns: [
      'channels',
      'batch',
      ...NORMS.map((norm) => `${TITLES[norm]}, ms`),
      ...NORMS.slice(1).map((norm) => `${TITLES[norm]}, share`),
    ],
    rows: places.map((place) => [
      place.channels,
      `${REPLICAS} x ${place.replicaBatch}`,
      ...NORMS.map((norm) => cell(bySeed(results, place, stepMs(norm)), 2)),
      ...NORMS.slice(1).map((norm) => cell(bySeed(results, place, overheadOf(norm)), 1, '%')),
    ]),
  };
}

function sharePlot({ of, widest, replicaBatches }: Shares): AnalysisPlot {
  return {
    file: 'share',
    caption: `Share of the step by samples of a replica, ${widest} channels`,
    plot: {
      title: 'Share of the training step that the norm takes',
      xLabel: 'samples of a replica',
      yLabel: 'share of the step, %',
      xScale: 'log',
      series: NORMS.slice(1).map((norm) =>
        curve(
          TITLES[norm],
          replicaBatches.map((x) => ({ x, values: [...of(norm, x).values()] })),
        ),
      ),
    },
  };
}

function verdictsOf({ of, widest, replicaBatches }: Shares): readonly ClaimVerdict[] {
  const [smallest, largest] = [replicaBatches[0]!, replicaBatches.at(-1)!];
  const local = of('local', largest);
  const extra = (replicaBatch: number): SeedValues =>
    subtract(of('sync', replicaBatch), of('local', replicaBatch));
  const at = (replicaBatch: number): string => `${REPLICAS} x ${replicaBatch}, ${widest} channels`;
  const shown = { digits: 1, unit: '%' };
  return [
    judge({
      claim: `Batch norm takes a tenth of the step or more (${at(largest)})`,
      claimed: 'above',
      a: { name: TITLES.local, values: local },
      b: constantSide('a tenth', local, 10),
      ...shown,
    }),
    judge({
      claim: `Synchronizing it costs time on top (${at(smallest)})`,
      claimed: 'above',
      a: { name: TITLES.sync, values: of('sync', smallest) },
      b: { name: TITLES.local, values: of('local', smallest) },
      ...shown,
    }),
    judge({
      claim: `The share that synchronizing adds falls with the batch (${widest} channels)`,
      claimed: 'above',
      a: { name: `added at batch ${REPLICAS} x ${smallest}`, values: extra(smallest) },
      b: { name: `added at batch ${REPLICAS} x ${largest}`, values: extra(largest) },
      ...shown,
    }),
    judge({
      claim: `Group norm, which shares nothing, is cheaper (${at(smallest)})`,
      claimed: 'below',
      a: { name: TITLES.group, values: of('group', smallest) },
      b: { name: TITLES.sync, values: of('sync', smallest) },
      ...shown,
    }),
  ];
}

/** See docs/experiments/overhead.md. */
export const overhead: Experiment = {
  name: 'overhead',
  title: 'What normalizing costs',
  hypothesis:
    'Batch norm takes a noticeable share of the step; synchronizing it costs more on top, most ' +
    'of all with small batches.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 4, quickSeeds: 2 },
  plan,
  run,
  resultSchema: () =>
    resultWith(
      ['timedSteps'],
      {},
      NORMS.map((norm) => `${norm}StepMs`),
    ),
  analyse,
};
