// Performs an experiment's remaining runs, one or several at a time, stores each result as it
// finishes, and reports progress. If the experiment is stopped, only the runs in progress are lost.

import type { Dataset } from '../../data/dataset.ts';
import type {
  Experiment,
  ExperimentOptions,
  PlainRecord,
  RunContext,
  RunResult,
  RunSpec,
} from './experiment.ts';
import type { ResultsFile } from './resultsFile.ts';

/** The progress of an experiment. */
export interface ExperimentProgress {
  /** Finished runs, including those found in the file. */
  readonly done: number;
  readonly runs: number;
  /** The run in progress, or the latest if there are several; undefined when all are finished. */
  readonly label: string | undefined;
  /** The share of all work that is done, from 0 to 1. */
  readonly share: number;
  /** NaN until there is enough progress for an estimate. */
  readonly secondsLeft: number;
}

export interface RunnerSetup {
  readonly experiment: Experiment;
  readonly options: ExperimentOptions;
  readonly results: ResultsFile;
  /** Opens the data of a run. Called before each run. */
  readonly openData: (settings: PlainRecord) => Promise<Dataset>;
  readonly workers: number | undefined;
  /** Concurrent runs; default 1. Does not affect results. */
  readonly jobs?: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ExperimentProgress) => void;
}

export interface Outcome {
  /** Results of the finished runs, in the order of the plan. */
  readonly results: readonly RunResult[];
  readonly runs: number;
  /** Runs that were found in the file. */
  readonly found: number;
  readonly isStopped: boolean;
  /** Time of the runs performed now. */
  readonly seconds: number;
}

/** With less progress than this, the time left would be a guess. */
const FIRST_GUESS_SHARE = 0.01;

/** Performs the remaining runs. If the signal is aborted, the outcome has the runs finished by
 * then; any other failure of a run rejects. */
export async function runExperiment(setup: RunnerSetup): Promise<Outcome> {
  const { experiment, options, results } = setup;
  const specs = experiment.plan(options);
  const open = specs.filter(({ settings }) => results.find(settings) === undefined);
  const meter = new ProgressMeter(specs, open, setup.onProgress);
  const startMs = performance.now();
  // A failed run stops the concurrent ones.
  const failing = new AbortController();
  const signal = AbortSignal.any([setup.signal, failing.signal]);
  const queue = open.values();
  const lane = async (): Promise<void> => {
    for (const spec of queue) {
      if (signal.aborted) return;
      const dataset = await setup.openData(spec.settings);
      meter.begin(spec);
      const tell = (share: number): void => meter.tell(spec, share);
      const result = await runOne({ ...setup, signal }, spec, dataset, tell);
      if (result === undefined) return;
      await results.append(result);
      meter.end(spec);
    }
  };
  const lanes = Array.from({ length: setup.jobs ?? 1 }, async () => {
    try {
      await lane();
    } catch (error) {
      failing.abort(error);
    }
  });
  await Promise.all(lanes);
  if (failing.signal.aborted) throw failing.signal.reason;
  const finished = specs.flatMap(({ settings }) => results.find(settings) ?? []);
  return {
    results: finished,
    runs: specs.length,
    found: specs.length - open.length,
    isStopped: finished.length < specs.length,
    seconds: (performance.now() - startMs) / 1000,
  };
}

/** Performs a run. Returns undefined if it was stopped. */
async function runOne(
  { experiment, options, workers, signal }: RunnerSetup,
  spec: RunSpec,
  dataset: Dataset,
  progress: (share: number) => void,
): Promise<RunResult | undefined> {
  const net = options.net?.model;
  const context: RunContext = { dataset, net, workers, signal, progress };
  try {
    const { values, timings } = await experiment.run(spec, context);
    return { settings: spec.settings, values, timings };
  } catch (error) {
    // A run that is told to stop rejects with the signal's reason.
    if (signal.aborted && error === signal.reason) return undefined;
    throw error;
  }
}

/** Estimates progress and the time left from the costs of runs. */
class ProgressMeter {
  private readonly costs: ReadonlyMap<RunSpec, number>;
  private readonly tellAll: (progress: ExperimentProgress) => void;
  private readonly runs: number;
  /** Costs: of all runs, of those found in the file, and of those finished now. */
  private readonly all: number;
  private readonly foundCost: number;
  private doneCost = 0;
  private done: number;
  /** The progress of the runs under way, in the order in which they started. */
  private readonly shares = new Map<RunSpec, number>();
  private readonly startMs = performance.now();

  constructor(
    specs: readonly RunSpec[],
    open: readonly RunSpec[],
    tell: (progress: ExperimentProgress) => void,
  ) {
    this.costs = new Map(specs.map((spec) => [spec, spec.cost]));
    this.tellAll = tell;
    this.runs = specs.length;
    this.all = sumCosts(specs);
    this.foundCost = this.all - sumCosts(open);
    this.done = specs.length - open.length;
    this.tellNow();
  }

  begin(spec: RunSpec): void {
    this.tell(spec, 0);
  }

  end(spec: RunSpec): void {
    this.shares.delete(spec);
    this.doneCost += this.costs.get(spec)!;
    this.done++;
    this.tellNow();
  }

  /** Records that `share` of a run in progress is done. */
  tell(spec: RunSpec, share: number): void {
    this.shares.set(spec, share);
    this.tellNow();
  }

  private tellNow(): void {
    const { shares, doneCost, foundCost, all } = this;
    let now = doneCost;
    for (const [spec, share] of shares) now += share * this.costs.get(spec)!;
    const seconds = (performance.now() - this.startMs) / 1000;
    const left = all - foundCost - now;
    const isGuess = now < FIRST_GUESS_SHARE * (all - foundCost);
    this.tellAll({
      done: this.done,
      runs: this.runs,
      label: [...shares.keys()].at(-1)?.label,
      share: all === 0 ? 1 : (foundCost + now) / all,
      secondsLeft: left === 0 ? 0 : isGuess ? Number.NaN : (seconds / now) * left,
    });
  }
}

function sumCosts(specs: readonly RunSpec[]): number {
  return specs.reduce((sum, { cost }) => sum + cost, 0);
}
