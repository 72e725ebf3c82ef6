// Overhead: the cost of normalization as a share of the training step, by batch size and channels.
// Nets that differ only in their norms run alternately, in short windows in one process, so that a
// temporary slowdown of the machine affects all of them. The result is the median of the windows.

import type { LayerSpec } from '../../nn/specs/spec.ts';
import {
  batchesFrom,
  type ComparedNorm,
  netSettings,
  netWith,
  normsAgainst,
} from '../engine/choices.ts';
import {
  batchAndSeedIn,
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
  NetContext,
  PlainRecord,
  RunContext,
  RunResult,
  RunSpec,
} from '../engine/experiment.ts';
import type { RunValues } from '../engine/resultSchema.ts';
import { resultWith } from '../engine/resultSchema.ts';
import { plainConvNet, purposeOf, REPLICA_NORM_TITLES } from './plainNets.ts';
import { timeSteps } from './stepTimes.ts';

const FULL = {
  replicaBatches: [2, 8, 32],
  channels: [8, 32],
  windows: 15,
  windowSamples: 256,
};
const QUICK = { replicaBatches: [2, 16], channels: [16], windows: 5, windowSamples: 128 };
/** The smallest number of replicas with something to synchronize. */
const REPLICAS = 2;
/** Stands for the width of a caller's net. */
const OWN_WIDTH = 0;

/** The norms to time, `none` first. */
function normsOf(options: ExperimentOptions): readonly ComparedNorm[] {
  const norms = normsAgainst(options, ['none', 'local', 'sync', 'group']);
  return ['none', ...norms.filter((norm) => norm !== 'none')];
}

/** The per-replica batch sizes, smallest first, and the widths of the nets. A caller's net has
 * width {@link OWN_WIDTH}. */
function placesOf(options: ExperimentOptions): {
  readonly replicaBatches: readonly number[];
  readonly channels: readonly number[];
} {
  const own = options.quick ? QUICK : FULL;
  const replicaBatches = batchesFrom(options, own.replicaBatches).toReversed();
  return { replicaBatches, channels: options.net === undefined ? own.channels : [OWN_WIDTH] };
}

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const { windows, windowSamples } = options.quick ? QUICK : FULL;
  const { replicaBatches, channels } = placesOf(options);
  const timed = options.norms === undefined ? {} : { norms: normsOf(options).join(' ') };
  return seedsOf(options).flatMap((seed) =>
    channels.flatMap((width) =>
      replicaBatches.map((replicaBatch) => ({
        label: `batch ${placeName(replicaBatch, width)}, seed ${seed}`,
        settings: {
          data: options.data,
          ...netSettings(options),
          ...timed,
          replicas: REPLICAS,
          replicaBatch,
          channels: width,
          windows,
          steps: Math.max(1, Math.round(windowSamples / (REPLICAS * replicaBatch))),
          seed,
        },
        cost: Math.max(1, width),
      })),
    ),
  );
}

/** For example `2 x 8, 16 channels`. */
function placeName(replicaBatch: number, width: number): string {
  const batch = `${REPLICAS} x ${replicaBatch}`;
  return width === OWN_WIDTH ? batch : `${batch}, ${width} channels`;
}

/** The norms that a run times. */
function timedNorms({ norms }: PlainRecord): readonly ComparedNorm[] {
  if (norms === undefined) return normsOf({ quick: false, seeds: 1, data: '' });
  return String(norms).split(' ') as ComparedNorm[];
}

function nets(settings: PlainRecord, context: NetContext): readonly LayerSpec[] {
  const channels = numberIn(settings, 'channels');
  return timedNorms(settings).map((norm) =>
    netWith(context, norm, () => timedNet(norm, channels, context)),
  );
}

async function run({ settings }: RunSpec, context: RunContext): Promise<RunValues> {
  const norms = timedNorms(settings);
  const windows = numberIn(settings, 'windows');
  const steps = numberIn(settings, 'steps');
  const times = await timeSteps(
    {
      models: nets(settings, context),
      ...batchAndSeedIn(settings),
      windows,
      steps,
    },
    context,
  );
  const timings = Object.fromEntries(norms.map((norm, i) => [`${norm}StepMs`, times[i]!]));
  return { values: { timedSteps: windows * steps }, timings };
}

function timedNet(norm: ComparedNorm, channels: number, context: NetContext): LayerSpec {
  const stages = [
    { channels, stride: 1 as const },
    { channels, stride: 2 as const },
    { channels, stride: 2 as const },
  ];
  return plainConvNet({ ...purposeOf(context.dataset), norm, stages });
}

/** The norm's share of the step that includes it, in percent. */
function overheadOf(norm: ComparedNorm): Measure {
  return ({ timings }) => {
    const withNorm = timings[`${norm}StepMs`]!;
    return 100 * (1 - timings.noneStepMs! / withNorm);
  };
}

function stepMs(norm: ComparedNorm): Measure {
  return ({ timings }) => timings[`${norm}StepMs`]!;
}

const NOTES = [
  'The share is 1 - t(no norm) / t(norm) for medians of alternating windows. It covers all of ' +
    'normalization, forward and backward, not only the statistics. The net without a norm has ' +
    'biases instead, and their time is not added.',
  'A seed is only a repetition here. Times differ between machines and with other load.',
  'Synchronization costs something only with two threads or more.',
];

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const { replicaBatches, channels } = placesOf(options);
  const norms = normsOf(options);
  const widest = channels.at(-1)!;
  const shares: Shares = {
    norms,
    widest,
    replicaBatches,
    of: (norm, replicaBatch) =>
      bySeed(results, { replicaBatch, channels: widest }, overheadOf(norm)),
  };
  const places = channels.flatMap((width) =>
    replicaBatches.map((replicaBatch) => ({ channels: width, replicaBatch })),
  );
  return {
    tables: [timeTable(results, norms, places)],
    plots: [sharePlot(shares)],
    verdicts: verdictsOf(shares),
    notes: NOTES,
  };
}

/** The cost of norms in the widest net. */
interface Shares {
  readonly norms: readonly ComparedNorm[];
  readonly widest: number;
  readonly replicaBatches: readonly number[];
  /** In percent of the step, by seed. */
  of(norm: ComparedNorm, replicaBatch: number): SeedValues;
}

function timeTable(
  results: readonly RunResult[],
  norms: readonly ComparedNorm[],
  places: readonly { readonly channels: number; readonly replicaBatch: number }[],
): AnalysisTable {
  return {
    caption: 'Step time, and the share that the norm takes',
    columns: [
      'channels',
      'batch',
      ...norms.map((norm) => `${REPLICA_NORM_TITLES[norm]}, ms`),
      ...norms.slice(1).map((norm) => `${REPLICA_NORM_TITLES[norm]}, share`),
    ],
    rows: places.map((place) => [
      place.channels === OWN_WIDTH ? 'its own' : place.channels,
      `${REPLICAS} x ${place.replicaBatch}`,
      ...norms.map((norm) => cell(bySeed(results, place, stepMs(norm)), 2)),
      ...norms.slice(1).map((norm) => cell(bySeed(results, place, overheadOf(norm)), 1, '%')),
    ]),
  };
}

function sharePlot({ norms, of, widest, replicaBatches }: Shares): AnalysisPlot {
  return {
    file: 'share',
    caption: `Share of the step by per-replica batch size${inWidth(widest)}`,
    plot: {
      title: 'Share of the training step that the norm takes',
      xLabel: 'per-replica batch size',
      yLabel: 'share of the step, %',
      xScale: 'log',
      series: norms.slice(1).map((norm) =>
        curve(
          REPLICA_NORM_TITLES[norm],
          replicaBatches.map((x) => ({ x, values: [...of(norm, x).values()] })),
        ),
      ),
    },
  };
}

/** For example `, 16 channels`; empty for a caller's net. */
function inWidth(width: number): string {
  return width === OWN_WIDTH ? '' : `, ${width} channels`;
}

function verdictsOf(shares: Shares): readonly ClaimVerdict[] {
  const { norms, of, widest, replicaBatches } = shares;
  const [smallest, largest] = [replicaBatches[0]!, replicaBatches.at(-1)!];
  const local = of('local', largest);
  const extra = (replicaBatch: number): SeedValues =>
    subtract(of('sync', replicaBatch), of('local', replicaBatch));
  const at = (replicaBatch: number): string => placeName(replicaBatch, widest);
  const has = (...wanted: readonly ComparedNorm[]): boolean =>
    wanted.every((norm) => norms.includes(norm));
  const shown = { digits: 1, unit: '%' };
  const ofLocal = (): ClaimVerdict =>
    judge({
      claim: `Batch norm takes a tenth of the step or more (${at(largest)})`,
      claimed: 'above',
      a: { name: REPLICA_NORM_TITLES.local, values: local },
      b: constantSide('a tenth', local, 10),
      ...shown,
    });
  const ofSync = (): readonly ClaimVerdict[] => [
    judge({
      claim: `Synchronizing it costs extra time (${at(smallest)})`,
      claimed: 'above',
      a: { name: REPLICA_NORM_TITLES.sync, values: of('sync', smallest) },
      b: { name: REPLICA_NORM_TITLES.local, values: of('local', smallest) },
      ...shown,
    }),
    judge({
      claim: `The share that synchronizing adds falls with the batch${inWidth(widest)}`,
      claimed: 'above',
      a: { name: `added at batch ${REPLICAS} x ${smallest}`, values: extra(smallest) },
      b: { name: `added at batch ${REPLICAS} x ${largest}`, values: extra(largest) },
      ...shown,
    }),
  ];
  const ofGroup = (): ClaimVerdict =>
    judge({
      claim: `Group norm, which shares nothing, is cheaper (${at(smallest)})`,
      claimed: 'below',
      a: { name: REPLICA_NORM_TITLES.group, values: of('group', smallest) },
      b: { name: REPLICA_NORM_TITLES.sync, values: of('sync', smallest) },
      ...shown,
    });
  return [
    ...(has('local') ? [ofLocal()] : []),
    ...(has('local', 'sync') ? ofSync() : []),
    ...(has('group', 'sync') ? [ofGroup()] : []),
  ];
}

/** See docs/experiments/overhead.md. */
export const overhead: Experiment = {
  name: 'overhead',
  title: 'What normalizing costs',
  hypothesis:
    'Batch norm takes a noticeable share of the step; synchronizing it costs extra time, most of ' +
    'all with small batches.',
  defaults: { data: 'mnist', quickData: 'mnist', seeds: 4, quickSeeds: 2 },
  choices: {
    model: true,
    lr: 'it times steps, and nothing is learned in them',
    'replica-batches': true,
    norms: true,
    epochs: 'it times a fixed number of steps',
  },
  plan,
  nets,
  run,
  resultSchema: (settings) =>
    resultWith(
      ['timedSteps'],
      {},
      timedNorms(settings).map((norm) => `${norm}StepMs`),
    ),
  analyse,
};
