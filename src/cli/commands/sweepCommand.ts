// `syncbn sweep`: crosses values of the flags of `train` and performs all runs in the same way as
// experiments: results survive a kill, and the same command continues. Every run is checked before
// the first one starts. Combinations whose norms would have single values are left out and named.

import { availableParallelism } from 'node:os';
import { cleaningUp } from '../../base/cleanup.ts';
import { UsageError } from '../../base/errors.ts';
import type { Dataset } from '../../data/dataset.ts';
import { hashOfModel } from '../../experiments/engine/choices.ts';
import type {
  Experiment,
  PlainRecord,
  RunContext,
  RunSpec,
} from '../../experiments/engine/experiment.ts';
import { type RunValues, resultWith } from '../../experiments/engine/resultSchema.ts';
import { limitLoss } from '../../experiments/runs/lossCurve.ts';
import {
  analyseSweep,
  type SweepSubject,
  showFlags,
} from '../../experiments/runs/sweepAnalysis.ts';
import { checkStart, planStart } from '../../runtime/planStart.ts';
import { Trainer } from '../../runtime/trainer.ts';
import type { TrainerOptions } from '../../runtime/trainerOptions.ts';
import { say, screen } from '../output/screen.ts';
import { printRows } from '../output/tables.ts';
import type { Flags } from '../settings/flags.ts';
import { DEFAULTS, dataFrom, runOptionsFrom } from '../settings/settings.ts';
import { flagsOf, type Sweep, sweepFrom } from '../settings/sweepFlags.ts';
import { runStudy } from './study.ts';

const DEFAULT_FOLDER = 'experiments/sweep';
const MAX_JOBS = 64;

export async function runSweep(flags: Flags): Promise<number> {
  const isJson = flags.isSet('json');
  const sweep = sweepFrom(flags);
  const jobs = flags.integer('jobs', 1, MAX_JOBS) ?? 1;
  const store = dataStore();
  const checked = await checkAll(flags, sweep, store.dataFor);
  const experiment = experimentOf(flags, sweep, checked, jobs);
  const options = {
    quick: false,
    seeds: sweep.seeds.length,
    data: flags.text('data') ?? DEFAULTS.data,
  };
  const specs = experiment.plan(options);
  if (flags.isSet('dry-run')) return showPlan(specs, checked.leftOut, isJson);
  return runStudy({
    experiment,
    options,
    runs: specs.length,
    subject: undefined,
    folder: flags.text('out') ?? DEFAULT_FOLDER,
    isJson,
    workers: flags.integer('workers', 1),
    jobs,
    notices: checked.leftOut,
    openData: (settings) => store.dataFor(flagsOf(flags, settings)),
  });
}

/** Opens each dataset once. */
function dataStore(): { dataFor(flags: Flags): Promise<Dataset> } {
  const opened = new Map<string, Promise<Dataset>>();
  return {
    dataFor(flags) {
      const key = JSON.stringify([flags.text('data'), flags.text('limit')]);
      const found = opened.get(key) ?? dataFrom(flags);
      opened.set(key, found);
      return found;
    },
  };
}

/** Facts about a combination that has been checked. */
interface Variant {
  readonly settings: PlainRecord;
  /** Default number of threads. */
  readonly workers: number;
  readonly steps: number;
}

interface CheckedSweep {
  readonly variants: readonly Variant[];
  /** Sentences about combinations that cannot be trained. */
  readonly leftOut: readonly string[];
  readonly metric: SweepSubject['metric'];
}

/** Throws a {@link UsageError} for the first combination of flags that `train` would refuse.
 * Combinations that only have too few values for a norm are left out instead. */
async function checkAll(
  flags: Flags,
  { variants, seeds }: Sweep,
  dataFor: (flags: Flags) => Promise<Dataset>,
): Promise<CheckedSweep> {
  const found: Variant[] = [];
  const leftOut: string[] = [];
  let metric: SweepSubject['metric'] = 'error';
  for (const settings of variants) {
    // Whether a run can be trained does not depend on the seed.
    const run = flagsOf(flags, { ...settings, seed: seeds[0]! });
    const data = await dataFor(run);
    if (data.task.kind === 'regression') metric = 'loss';
    const plan = await naming(settings, async () => {
      checkTested(data);
      const options = await optionsOf(run, data);
      return { plan: planStart(options), hash: hashOfModel(options.model) };
    });
    const reason = refusalOf(() => checkStart(plan.plan));
    if (reason !== undefined) {
      leftOut.push(`Left out: ${showFlags(settings)}, for ${reason}`);
      continue;
    }
    const { config, stepsPerEpoch } = plan.plan;
    const { epochs, maxSteps } = lengthOf(run);
    const hash = settings.model === undefined ? {} : { modelHash: plan.hash };
    found.push({
      settings: { ...settings, ...hash },
      workers: config.workers,
      steps: Math.min(epochs * stepsPerEpoch, maxSteps ?? Infinity) * config.globalBatch,
    });
  }
  if (found.length > 0) return { variants: found, leftOut, metric };
  throw new UsageError({ what: 'syncbn sweep', problem: `has no runs. ${leftOut.join(' ')}` });
}

function checkTested({ name, test }: Dataset): void {
  if (test.count > 0) return;
  throw new UsageError({
    what: `test samples of ${name}`,
    given: 0,
    allowed: 'at least 1: a sweep compares results on them',
  });
}

/** The error that a function throws, if any. */
function refusalOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

/** Adds to an error which run it is about. */
async function naming<T>(settings: PlainRecord, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const problem = `is a run that cannot work. ${error.message}`;
    throw new UsageError({ what: showFlags(settings), problem });
  }
}

/** The options of a run, as in `train`; but here, a run that diverges is a result. */
async function optionsOf(flags: Flags, data: Dataset): Promise<TrainerOptions> {
  const options = await runOptionsFrom(flags, data);
  return { onNonFinite: 'continue', ...options, diagnosticsEvery: 0, onNotice: () => {} };
}

function lengthOf(flags: Flags): { readonly epochs: number; readonly maxSteps?: number } {
  const maxSteps = flags.integer('max-steps', 1);
  return { epochs: flags.integer('epochs', 1) ?? 1, ...(maxSteps !== undefined && { maxSteps }) };
}

function experimentOf(
  flags: Flags,
  { crossed, seeds }: Sweep,
  { variants, leftOut, metric }: CheckedSweep,
  jobs: number,
): Experiment {
  const names = crossed.map(({ name }) => `--${name}`).join(', ') || '--seed';
  const workersOf = new Map(
    variants.map(({ settings, workers }) => [showFlags(settings), workers]),
  );
  return {
    name: 'sweep',
    title: `Sweep of ${names}`,
    hypothesis:
      'nothing beforehand. Each claim says that a value does better than the first one given, or ' +
      'that the lower end of an axis does worse.',
    defaults: { data: DEFAULTS.data, quickData: DEFAULTS.data, seeds: 1, quickSeeds: 1 },
    // Seed by seed, so that a sweep that is stopped early has covered all combinations.
    plan: () =>
      seeds.flatMap((seed) =>
        variants.map(({ settings, steps }) => {
          const { modelHash: _hash, ...shown } = settings;
          const label = showFlags({ ...shown, seed });
          return { label, settings: { ...settings, seed }, cost: steps };
        }),
      ),
    async run({ settings }, context) {
      const { seed: _seed, ...variant } = settings;
      const planned = workersOf.get(showFlags(variant))!;
      const share = Math.max(1, Math.floor(availableParallelism() / jobs));
      const workers = context.workers ?? Math.min(planned, share);
      return trainOne(flagsOf(flags, settings), { ...context, workers });
    },
    resultSchema: () =>
      resultWith(['testLoss', 'trainLoss', ...(metric === 'error' ? ['testError'] : [])], {
        losses: 0,
      }),
    analyse: (results) => analyseSweep(results, { crossed, metric, leftOut }),
  };
}

/** One training, as in `train`. */
async function trainOne(flags: Flags, context: RunContext): Promise<RunValues> {
  const { dataset, workers, signal } = context;
  const trainer = await Trainer.start({ ...(await optionsOf(flags, dataset)), workers: workers! });
  const onAbort = (): void => trainer.stop();
  signal.addEventListener('abort', onAbort);
  const train = async (): Promise<RunValues> => {
    const losses: number[] = [];
    let trainLoss = Number.NaN;
    const startMs = performance.now();
    signal.throwIfAborted();
    for await (const { kind, loss, step, totalSteps } of trainer.fit(lengthOf(flags))) {
      trainLoss = loss;
      if (kind === 'epoch') losses.push(limitLoss(loss));
      context.progress(step / totalSteps);
    }
    signal.throwIfAborted();
    const trainMs = performance.now() - startMs;
    const { accuracy, loss } = await trainer.evaluate('test');
    const isClass = dataset.task.kind !== 'regression';
    return {
      values: {
        ...(isClass && { testError: 1 - accuracy }),
        testLoss: limitLoss(loss),
        trainLoss: limitLoss(trainLoss),
        losses,
      },
      timings: { trainMs },
    };
  };
  return cleaningUp(
    train,
    () => signal.removeEventListener('abort', onAbort),
    () => trainer.close(),
  );
}

/** Lists the runs without starting them. */
function showPlan(specs: readonly RunSpec[], leftOut: readonly string[], isJson: boolean): number {
  if (isJson) {
    for (const { label, settings } of specs) screen.sayJson({ event: 'run', label, settings });
    for (const text of leftOut) screen.sayJson({ event: 'notice', text });
    return 0;
  }
  printRows(
    ['run', 'flags'],
    specs.map(({ label }, i) => [i + 1, label]),
  );
  for (const text of leftOut) say(text);
  return 0;
}
