// Sync groups: test error and step time by number of replicas that share statistics, at one small
// per-replica batch size. Wu and Johnson 2021 call a group's samples the normalization batch.
// Everything else in a step stays the same.

import { convertNorm } from '../../nn/convert/convertNorm.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import { cosine } from '../../optim/schedule.ts';
import { netSettings, oneBatchFrom, TRAINING_CHOICES } from '../engine/choices.ts';
import {
  batchAndSeedIn,
  bySeed,
  cell,
  choiceIn,
  constantSide,
  curve,
  judge,
  type Measure,
  numberIn,
  numberOf,
  type SeedValues,
  seedsOf,
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
import { type ResultSchema, resultWith } from '../engine/resultSchema.ts';
import { epochsIn } from '../engine/samples.ts';
import { trainCurve } from './lossCurve.ts';
import { smallBatchNet } from './smallBatchSetup.ts';
import { timeSteps } from './stepTimes.ts';

const REPLICAS = 16;
const REPLICA_BATCH = 2;
const FULL = { groups: [1, 2, 4, 8, 16], samples: 12_000, epochs: 8, windows: 40 };
const QUICK = { groups: [1, 4, 16], samples: 3200, epochs: 6, windows: 15 };
const RATE = 0.0125;
const MOMENTUM = 0.9;
/** Steps per timed window. */
const TIMED_STEPS = 10;
const WINDOW_STEPS = 25;
/** The largest acceptable step time with full synchronization, relative to none. PyTorch with gloo
 * adds 70 % or more. */
const LARGEST_COST = 1.1;

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const { groups, samples, windows, ...own } = options.quick ? QUICK : FULL;
  const { data, epochs = own.epochs, lr: rate = RATE } = options;
  const replicaBatch = oneBatchFrom(options, REPLICA_BATCH);
  const job = { data, ...netSettings(options), replicas: REPLICAS, replicaBatch };
  return seedsOf(options).flatMap((seed): RunSpec[] => [
    ...groups.map((groupSize) => ({
      label: `groups of ${groupSize}, seed ${seed}`,
      settings: { kind: 'error', ...job, groupSize, rate, samples, epochs, seed },
      cost: samples * epochs,
    })),
    // All sizes in one run, because only times measured alternately can be compared.
    {
      label: `times, seed ${seed}`,
      settings: { kind: 'times', ...job, groups: groups.join(' '), windows, seed },
      cost: windows * TIMED_STEPS * REPLICAS * replicaBatch * groups.length,
    },
  ]);
}

function run({ settings }: RunSpec, context: RunContext): Promise<RunValues> {
  const kind = choiceIn(settings, 'kind', ['error', 'times']);
  return kind === 'error' ? measureError(settings, context) : measureTimes(settings, context);
}

function nets(settings: PlainRecord, context: NetContext): readonly LayerSpec[] {
  const sizes = settings.kind === 'times' ? timedGroups(settings) : [settings.groupSize as number];
  return sizes.map((groupSize) => modelOf(groupSize, context));
}

function modelOf(groupSize: number, context: NetContext): LayerSpec {
  const model = smallBatchNet(context, 'sync');
  return convertNorm(model, groupSize === 1 ? { to: 'local' } : { to: 'sync', groupSize });
}

async function measureError(settings: PlainRecord, context: RunContext): Promise<RunValues> {
  const result = await trainCurve(
    {
      model: modelOf(numberIn(settings, 'groupSize'), context),
      ...epochsIn(settings, context.dataset).training,
      optimizer: sgd({ lr: numberIn(settings, 'rate'), momentum: MOMENTUM }),
      schedule: cosine(),
      windowSteps: WINDOW_STEPS,
      evaluates: ['test'],
    },
    context,
  );
  return {
    values: { testError: result.test!.error, trainLoss: result.losses.at(-1)! },
    timings: { trainMs: result.trainMs },
  };
}

async function measureTimes(settings: PlainRecord, context: RunContext): Promise<RunValues> {
  const groups = timedGroups(settings);
  const windows = numberIn(settings, 'windows');
  const times = await timeSteps(
    {
      models: groups.map((groupSize) => modelOf(groupSize, context)),
      ...batchAndSeedIn(settings),
      windows,
      steps: TIMED_STEPS,
    },
    context,
  );
  return {
    values: { timedSteps: windows * TIMED_STEPS },
    timings: Object.fromEntries(groups.map((groupSize, i) => [timeName(groupSize), times[i]!])),
  };
}

function timedGroups(settings: PlainRecord): readonly number[] {
  return String(settings.groups).split(' ').map(Number);
}

function resultSchema(settings: PlainRecord): ResultSchema {
  return settings.kind === 'times'
    ? resultWith(['timedSteps'], {}, timedGroups(settings).map(timeName))
    : resultWith(['testError', 'trainLoss']);
}

function timeName(groupSize: number): string {
  return `stepMs${groupSize}`;
}

const testError: Measure = (result) => 100 * numberOf(result, 'testError');
/** The step time with groups of this size. */
const stepMs =
  (groupSize: number): Measure =>
  ({ timings }) =>
    timings[timeName(groupSize)]!;

const NOTES = [
  'Every run trains the same replicas with the same samples, rate and order. Runs differ only in ' +
    'how many replicas share statistics.',
  'Times are those of this machine, where a synchronization is a barrier of threads and a few ' +
    'vectors in shared memory. syncbn simulate predicts the time among devices.',
];

/** The measurements for a sync group size, by seed. */
interface Measured {
  errors(groupSize: number): SeedValues;
  times(groupSize: number): SeedValues;
  /** Step times relative to those without synchronization, by seed. */
  ratios(groupSize: number): SeedValues;
}

function measuredIn(results: readonly RunResult[]): Measured {
  const timed = (measure: Measure): SeedValues => bySeed(results, { kind: 'times' }, measure);
  return {
    errors: (groupSize) => bySeed(results, { kind: 'error', groupSize }, testError),
    times: (groupSize) => timed(stepMs(groupSize)),
    ratios: (groupSize) => timed((result) => stepMs(groupSize)(result) / stepMs(1)(result)),
  };
}

function analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis {
  const { groups } = options.quick ? QUICK : FULL;
  const replicaBatch = oneBatchFrom(options, REPLICA_BATCH);
  const measured = measuredIn(results);
  return {
    tables: [tableOf(measured, groups, replicaBatch)],
    plots: plotsOf(measured, groups),
    verdicts: verdictsOf(measured),
    notes: NOTES,
  };
}

function tableOf(
  { errors, times, ratios }: Measured,
  groups: readonly number[],
  replicaBatch: number,
): AnalysisTable {
  return {
    caption: `${REPLICAS} replicas of ${replicaBatch} samples, 95 % intervals over the seeds`,
    columns: ['sync group', 'samples in it', 'test error, %', 'ms per step', 'vs. no sync'],
    rows: groups.map((groupSize) => [
      groupSize,
      groupSize * replicaBatch,
      cell(errors(groupSize), 2),
      cell(times(groupSize), 3),
      cell(ratios(groupSize), 3),
    ]),
  };
}

function plotsOf({ errors, times }: Measured, groups: readonly number[]): readonly AnalysisPlot[] {
  const line = (name: string, valuesAt: (groupSize: number) => SeedValues) =>
    curve(
      name,
      groups.map((groupSize) => ({ x: groupSize, values: [...valuesAt(groupSize).values()] })),
    );
  const axes = { xLabel: 'replicas that share statistics', xScale: 'category' as const };
  return [
    {
      file: 'error',
      caption: 'Test error by the size of the sync group.',
      plot: {
        ...axes,
        title: 'The gain from sharing statistics',
        yLabel: 'test error, %',
        series: [line('test error', errors)],
      },
    },
    {
      file: 'step-time',
      caption: 'Time of a step by the size of the sync group.',
      plot: {
        ...axes,
        title: 'The cost of sharing statistics',
        yLabel: 'ms per step',
        series: [line('time of a step', times)],
      },
    },
  ];
}

function verdictsOf({ errors, ratios }: Measured): readonly ClaimVerdict[] {
  const all = ratios(REPLICAS);
  const side = (groupSize: number) => ({
    name: groupSize === 1 ? 'no synchronization' : `groups of ${groupSize}`,
    values: errors(groupSize),
  });
  return [
    judge({
      claim: `Sharing statistics among all ${REPLICAS} replicas lowers the error`,
      a: side(REPLICAS),
      b: side(1),
      claimed: 'below',
      digits: 2,
      unit: '%',
    }),
    judge({
      claim: `Groups of 4 have a lower error than no synchronization`,
      a: side(4),
      b: side(1),
      claimed: 'below',
      digits: 2,
      unit: '%',
    }),
    judge({
      claim: `A step with full synchronization takes less than ${LARGEST_COST} times one without`,
      a: { name: 'ratio of step times', values: all },
      b: constantSide('the bound', all, LARGEST_COST),
      claimed: 'below',
    }),
  ];
}

/** See docs/experiments/sync-group.md. */
export const syncGroup: Experiment = {
  name: 'sync-group',
  title: 'Error and step time by the size of the sync group',
  hypothesis:
    'The more replicas of few samples share statistics, the lower the error, with most of the ' +
    'gain from the first few. In shared memory this costs next to nothing.',
  defaults: { data: 'fashion-mnist', quickData: 'fashion-mnist', seeds: 5, quickSeeds: 3 },
  choices: {
    ...TRAINING_CHOICES,
    norms: 'it compares batch norms by the replicas that share statistics',
  },
  plan,
  nets,
  run,
  resultSchema,
  analyse,
};
