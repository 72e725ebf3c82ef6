// Made-up results, and runs that finish at once; shared by the tests of the experiments.

import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import type {
  ClaimVerdict,
  Experiment,
  ExperimentOptions,
  PlainRecord,
  RunContext,
  RunResult,
} from '../../src/experiments/engine/experiment.ts';
import type { RunValues } from '../../src/experiments/engine/resultSchema.ts';
import { testValues } from './kernelFixture.ts';

export const OPTIONS: ExperimentOptions = { quick: true, seeds: 3, data: 'made up' };

/** A little that differs from seed to seed, so that differences have an interval. */
export function wiggle(settings: PlainRecord): number {
  return [0, 0.01, -0.01][(settings.seed as number) - 1]!;
}

/** A result for each planned run. */
export function madeUp(
  experiment: Experiment,
  valuesOf: (settings: PlainRecord) => Partial<RunValues>,
  options = OPTIONS,
): RunResult[] {
  return experiment.plan(options).map(({ settings }) => ({
    values: {},
    timings: {},
    ...valuesOf(settings),
    settings,
  }));
}

/** The verdict on the claim that holds all of these words. */
export function verdictOn(
  experiment: Experiment,
  results: readonly RunResult[],
  words: string,
): ClaimVerdict {
  const { verdicts } = experiment.analyse(results, OPTIONS);
  const found = verdicts.filter(({ claim }) => claim.includes(words));
  if (found.length !== 1) throw new Error(`${found.length} claims with '${words}'`);
  return found[0]!;
}

export const TINY_DATA: Dataset = synthetic({
  train: 128,
  test: 40,
  shape: [8, 8, 1],
  classes: 4,
  separation: 0.9,
});

/** Images of 16x16 pixels with masks of three classes. */
export const TINY_MASKS: Dataset = {
  name: 'masks',
  inputShape: [16, 16, 1],
  inputType: 'f32',
  task: { kind: 'segmentation', classes: 3, targetShape: [16, 16] },
  mean: [0],
  std: [1],
  train: masks(32),
  test: masks(4),
};

function masks(count: number): Dataset['train'] {
  const targets = Int32Array.from({ length: count * 256 }, (_, i) => (i >> 3) % 3);
  return { count, inputs: testValues(count * 256, 1, 5), targets };
}

/** The first planned run whose settings agree with `where`, with some settings made smaller. */
export async function tinyRun(
  experiment: Experiment,
  where: PlainRecord,
  smaller: PlainRecord,
  workers = 2,
  dataset: Dataset = TINY_DATA,
): Promise<RunValues> {
  const spec = experiment
    .plan(OPTIONS)
    .find(({ settings }) => Object.entries(where).every(([name, v]) => settings[name] === v));
  if (spec === undefined) throw new Error(`no run with ${JSON.stringify(where)}`);
  const context: RunContext = {
    dataset,
    workers,
    signal: new AbortController().signal,
    progress() {},
  };
  const settings = { ...spec.settings, ...smaller };
  const found = await experiment.run({ ...spec, settings }, context);
  // What is measured is what a file must hold.
  experiment.resultSchema(settings).parse(found);
  return found;
}

/** All numbers that a run measured. */
export function numbersOf({ values, timings }: RunValues): number[] {
  return [...Object.values(values), ...Object.values(timings)].flat();
}

/** Every run's settings, as the runner tells them apart. */
export function settingsOf(experiment: Experiment, options = OPTIONS): string[] {
  return experiment.plan(options).map(({ settings }) => JSON.stringify(settings));
}
