// Does the runs of an experiment that are not done yet, one after another, keeps each as it ends,
// and tells how far all of them are. Stopping in between loses the run that is under way, no more.

import type { Dataset } from '../../data/dataset.ts';
import type {
  Experiment,
  ExperimentOptions,
  RunContext,
  RunResult,
  RunSpec,
} from './experiment.ts';
import type { ResultsFile } from './resultsFile.ts';

/** How far an experiment is. */
export interface ExperimentProgress {
  /** Runs that are over, those found in the file among them. */
  readonly done: number;
  readonly runs: number;
  /** The run that is under way; undefined when all are over. */
  readonly label: string | undefined;
  /** The share of all work that is done, from 0 to 1. */
  readonly share: number;
  /** NaN until there is something to judge by. */
  readonly secondsLeft: number;
}

export interface RunnerSetup {
  readonly experiment: Experiment;
  readonly options: ExperimentOptions;
  readonly results: ResultsFile;
  /** Is called when the first run needs it. */
  readonly openData: () => Promise<Dataset>;
  readonly workers: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ExperimentProgress) => void;
}

export interface Outcome {
  /** Of the planned runs that are over, in the order of the plan. */
  readonly results: readonly RunResult[];
  readonly runs: number;
  /** Runs that were found in the file. */
  readonly found: number;
  readonly isStopped: boolean;
  /** Time of the runs that were done now. */
  readonly seconds: number;
}

/** Below this the time left would be a guess. */
const FIRST_GUESS_SHARE = 0.01;

/** Does what is left to do. When the signal is aborted the outcome is what is there by then; any
 * other failure of a run rejects. */
export async function runExperiment(setup: RunnerSetup): Promise<Outcome> {
  const { experiment, options, results, signal } = setup;
  const specs = experiment.plan(options);
  const open = specs.filter(({ settings }) => results.find(settings) === undefined);
  const meter = new ProgressMeter(specs, open, setup.onProgress);
  const startMs = performance.now();
  let dataset: Dataset | undefined;
  for (const spec of open) {
    if (signal.aborted) break;
    dataset ??= await setup.openData();
    meter.begin(spec);
    const result = await runOne(setup, spec, dataset, (share) => meter.tell(share));
    if (result === undefined) break;
    await results.append(result);
    meter.end();
  }
  const finished = specs.flatMap(({ settings }) => results.find(settings) ?? []);
  return {
    results: finished,
    runs: specs.length,
    found: specs.length - open.length,
    isStopped: finished.length < specs.length,
    seconds: (performance.now() - startMs) / 1000,
  };
}

/** The result of a run; undefined when it was stopped. */
async function runOne(
  { experiment, workers, signal }: RunnerSetup,
  spec: RunSpec,
  dataset: Dataset,
  progress: (share: number) => void,
): Promise<RunResult | undefined> {
  const context: RunContext = { dataset, workers, signal, progress };
  try {
    const { values, timings } = await experiment.run(spec, context);
    return { settings: spec.settings, values, timings };
  } catch (error) {
    // A run that is told to stop rejects with the signal's own reason.
    if (signal.aborted && error === signal.reason) return undefined;
    throw error;
  }
}

/** From the costs of runs to shares and times. */
class ProgressMeter {
  private readonly costs: ReadonlyMap<RunSpec, number>;
  private readonly tellAll: (progress: ExperimentProgress) => void;
  private readonly runs: number;
  /** Cost of all runs, of what was found, and of what is over now. */
  private readonly all: number;
  private readonly foundCost: number;
  private doneCost = 0;
  private done: number;
  private current: RunSpec | undefined;
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
    this.tell(0);
  }

  begin(spec: RunSpec): void {
    this.current = spec;
    this.tell(0);
  }

  end(): void {
    this.doneCost += this.costs.get(this.current!)!;
    this.done++;
    this.current = undefined;
    this.tell(0);
  }

  /** `share` of the run that is under way is done. */
  tell(share: number): void {
    const { current, doneCost, foundCost, all } = this;
    const now = doneCost + (current === undefined ? 0 : share * this.costs.get(current)!);
    const seconds = (performance.now() - this.startMs) / 1000;
    const left = all - foundCost - now;
    const isGuess = now < FIRST_GUESS_SHARE * (all - foundCost);
    this.tellAll({
      done: this.done,
      runs: this.runs,
      label: current?.label,
      share: all === 0 ? 1 : (foundCost + now) / all,
      secondsLeft: left === 0 ? 0 : isGuess ? Number.NaN : (seconds / now) * left,
    });
  }
}

function sumCosts(specs: readonly RunSpec[]): number {
  return specs.reduce((sum, { cost }) => sum + cost, 0);
}
