// What an experiment is: a list of runs as plain data, a function that does one of them, and one
// that reads all results. It knows neither files nor the terminal; the runner does.

import type { Dataset } from '../../data/dataset.ts';
import type { Verdict } from '../../report/page.ts';
import type { LinePlot } from '../../report/plot.ts';
import type { ResultSchema, RunValues } from './resultSchema.ts';

/** Settings of a run or results, as they stand in files. */
export type PlainValue = string | number | boolean | null;
export type PlainRecord = Readonly<Record<string, PlainValue>>;

/** What the caller chose. */
export interface ExperimentOptions {
  /** Fewer and shorter runs, to see that everything works; its verdicts are weak. */
  readonly quick: boolean;
  /** How many seeds, from 1 on. */
  readonly seeds: number;
  /** Name or folder of the dataset; decides the results, so it is part of the settings. */
  readonly data: string;
  /** Norms to compare, for experiments that let them be chosen. */
  readonly norms?: readonly string[];
  /** Systems to compare with, for the experiment that lets them be chosen. */
  readonly conventions?: readonly string[];
}

/** One run. Equal settings give equal numbers, on any number of workers. */
export interface RunSpec {
  /** For people: `sync, batch 2, seed 1`. */
  readonly label: string;
  /** All that decides the result; the runner makes the key under which it is kept from it. */
  readonly settings: PlainRecord;
  /** How long it takes, against the experiment's other runs; for the time left. */
  readonly cost: number;
}

/** A finished run, as it is kept in results.jsonl. */
export interface RunResult extends RunValues {
  readonly settings: PlainRecord;
}

/** What a run is given. */
export interface RunContext {
  readonly dataset: Dataset;
  /** Threads; default: one for each core. */
  readonly workers: number | undefined;
  /** Aborted when the user wants to stop: the run ends soon and rejects. */
  readonly signal: AbortSignal;
  /** The share of the run that is done, from 0 to 1. */
  progress(share: number): void;
}

/** A claim and what the numbers say to it; worked out, never written in. */
export interface ClaimVerdict {
  readonly claim: string;
  readonly verdict: Verdict;
  /** The numbers: `6.1 +- 0.4 % against 2.9 +- 0.2 %`. */
  readonly evidence: string;
}

export interface AnalysisTable {
  readonly caption: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

export interface AnalysisPlot {
  /** Name of the SVG file without its extension. */
  readonly file: string;
  readonly caption: string;
  readonly plot: LinePlot;
}

/** What all results together say. */
export interface Analysis {
  readonly tables: readonly AnalysisTable[];
  readonly plots: readonly AnalysisPlot[];
  readonly verdicts: readonly ClaimVerdict[];
  /** Paragraphs on how to read it, what was chosen and why. */
  readonly notes: readonly string[];
}

export interface Experiment {
  /** As it is typed: `small-batch`. */
  readonly name: string;
  readonly title: string;
  /** What is expected before anything is run. */
  readonly hypothesis: string;
  /** Default dataset and seeds, in full and quick. */
  readonly defaults: {
    readonly data: string;
    readonly quickData: string;
    readonly seeds: number;
    readonly quickSeeds: number;
  };
  plan(options: ExperimentOptions): readonly RunSpec[];
  run(spec: RunSpec, context: RunContext): Promise<RunValues>;
  /** What a run with these settings has measured: all that `analyse` looks for. */
  resultSchema(settings: PlainRecord): ResultSchema;
  /** Also of results that are not complete. */
  analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis;
}
