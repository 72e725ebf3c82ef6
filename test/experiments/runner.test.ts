import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { csvOf, showSeconds } from '../../src/experiments/engine/document.ts';
import type { Experiment } from '../../src/experiments/engine/experiment.ts';
import { resultWith } from '../../src/experiments/engine/resultSchema.ts';
import { openResults } from '../../src/experiments/engine/resultsFile.ts';
import {
  type ExperimentProgress,
  type Outcome,
  runExperiment,
} from '../../src/experiments/engine/runner.ts';
import { OPTIONS, TINY_DATA } from '../support/madeUp.ts';

const schema = () => resultWith(['value']);
const OWNER = { experiment: 'made-up', version: '1', resultSchema: schema };

/** Four runs whose value is their number; `before` may stop or fail them. */
function experimentWith(before: (run: number) => void = () => {}): Experiment {
  return {
    name: 'made-up',
    title: 'Made up',
    hypothesis: 'none',
    defaults: { data: 'mnist', quickData: 'mnist', seeds: 1, quickSeeds: 1 },
    plan: () => [1, 2, 3, 4].map((run) => ({ label: `run ${run}`, settings: { run }, cost: run })),
    async run({ settings }, { signal, progress }) {
      progress(0.5);
      before(settings.run as number);
      signal.throwIfAborted();
      return { values: { value: settings.run as number }, timings: { trainMs: 1 } };
    },
    resultSchema: schema,
    analyse: () => ({ tables: [], plots: [], verdicts: [], notes: [] }),
  };
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-runner-'));
});
afterEach(() => rm(folder, { recursive: true }));

interface Ran extends Outcome {
  readonly told: readonly ExperimentProgress[];
  readonly opened: number;
}

async function runAll(
  experiment: Experiment,
  stop = new AbortController(),
  jobs = 1,
): Promise<Ran> {
  const told: ExperimentProgress[] = [];
  let opened = 0;
  const results = await openResults(folder, OWNER);
  const outcome = await runExperiment({
    experiment,
    options: OPTIONS,
    results,
    openData: async () => {
      opened++;
      return TINY_DATA;
    },
    workers: 1,
    jobs,
    signal: stop.signal,
    onProgress: (progress) => told.push(progress),
  }).finally(results.close);
  return { ...outcome, told, opened };
}

describe('runExperiment', () => {
  it('does all runs in the order of the plan, and reports progress by cost', async () => {
    const { results, runs, found, isStopped, told, opened } = await runAll(experimentWith());
    expect(results.map(({ values }) => values.value)).toEqual([1, 2, 3, 4]);
    expect([runs, found, isStopped, opened]).toEqual([4, 0, false, 4]);
    const shares = told.map(({ share }) => share);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect(shares).toContain(0.2); // Run 1 and half of run 2, of costs 1, 2, 3 and 4.
    expect(told.at(-1)).toMatchObject({ done: 4, runs: 4, share: 1, secondsLeft: 0 });
    expect(told.at(-1)!.label).toBeUndefined();
    expect(told.find(({ label }) => label === 'run 3')).toMatchObject({ done: 2 });
  });

  it('stopped during a run, keeps finished runs and continues without repeating them', async () => {
    const stop = new AbortController();
    const ran: number[] = [];
    const stopped = await runAll(
      experimentWith((run) => {
        ran.push(run);
        if (run === 3) stop.abort();
      }),
      stop,
    );
    expect(stopped.isStopped).toBe(true);
    expect(stopped.results.map(({ values }) => values.value)).toEqual([1, 2]);
    const ended = await runAll(experimentWith((run) => ran.push(run)));
    expect(ran).toEqual([1, 2, 3, 3, 4]);
    expect(ended).toMatchObject({ found: 2, isStopped: false });
    expect(ended.results.map(({ values }) => values.value)).toEqual([1, 2, 3, 4]);
    const idle = await runAll(experimentWith(() => expect.unreachable()));
    expect([idle.found, idle.opened]).toEqual([4, 0]);
  });

  it('passes on the error of a run, and keeps the runs before it', async () => {
    const broken = runAll(
      experimentWith((run) => {
        if (run === 2) throw new RangeError('broken');
      }),
    );
    await expect(broken).rejects.toThrow('broken');
    expect((await runAll(experimentWith())).found).toBe(1);
  });
});

describe('runExperiment with several jobs', () => {
  /** Runs that wait until two are running, and record the maximum. */
  function overlapping(fails = 0): { experiment: Experiment; most: () => number } {
    let [running, most] = [0, 0];
    let meet: () => void = () => {};
    const met = new Promise<void>((resolve) => {
      meet = resolve;
    });
    const { run, ...rest } = experimentWith();
    const experiment: Experiment = {
      ...rest,
      async run(spec, context) {
        most = Math.max(most, ++running);
        if (running === 2) meet();
        await met;
        if (spec.settings.run === fails) throw new RangeError('broken');
        running--;
        return run(spec, context);
      },
    };
    return { experiment, most: () => most };
  }

  it('does two runs at a time, and returns the results in the order of the plan', async () => {
    const { experiment, most } = overlapping();
    const { results, told } = await runAll(experiment, undefined, 2);
    expect(results.map(({ values }) => values.value)).toEqual([1, 2, 3, 4]);
    expect(most()).toBe(2);
    expect(told.at(-1)).toMatchObject({ done: 4, share: 1 });
  });

  it('stops the others if one fails, with its error', async () => {
    const { experiment } = overlapping(1);
    await expect(runAll(experiment, undefined, 2)).rejects.toThrow('broken');
    expect((await runAll(experimentWith())).found).toBeLessThan(3);
  });
});

describe('csvOf', () => {
  it('has a column for each name and quotes what needs it', () => {
    const results = [
      { settings: { a: 'x,"y"', b: 1 }, values: { list: [1, 2] }, timings: {} },
      { settings: { a: null, b: 2 }, values: { v: 0.5 }, timings: { ms: 3 } },
    ];
    expect(csvOf(results)).toBe('a,b,list,v,ms\n"x,""y""",1,1 2,,\n,2,,0.5,3\n');
  });
});

describe('showSeconds', () => {
  it('chooses the unit that reads best', () => {
    expect([75.4, 750, 8000].map(showSeconds)).toEqual(['75 s', '12.5 min', '2.2 h']);
  });
});
