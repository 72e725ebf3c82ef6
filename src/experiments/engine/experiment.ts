// What an experiment is: a list of runs as plain data, a function that does one of them, and one
// that reads all results. It knows neither files nor the terminal; the runner does.

import type { Shape } from '../../base/shape.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import type { Verdict } from '../../report/page.ts';
import type { LinePlot } from '../../report/plot.ts';
import type { ResultSchema, RunValues } from './resultSchema.ts';

/** Settings of a run or results, as they stand in files. */
export type PlainValue = string | number | boolean | null;
export type PlainRecord = Readonly<Record<string, PlainValue>>;

/** A network of the caller's. */
export interface OwnNet {
  /** As it was typed. */
  readonly name: string;
  readonly model: LayerSpec;
}

/** What the flags of an experiment may choose. */
export const CHOICES = [
  'model',
  'lr',
  'replica-batches',
  'norms',
  'epochs',
  'conventions',
] as const;
export type Choice = (typeof CHOICES)[number];

/** What the caller chose. */
export interface ExperimentOptions {
  /** Fewer and shorter runs, to see that everything works; its verdicts are weak. */
  readonly quick: boolean;
  /** How many seeds, from 1 on. */
  readonly seeds: number;
  /** Name or folder of the dataset; decides the results, so it is part of the settings. */
  readonly data: string;
  /** Norms to compare; default: the experiment's. */
  readonly norms?: readonly string[];
  /** Systems to compare with, for the experiment that lets them be chosen. */
  readonly conventions?: readonly string[];
  /** The network to train; default: the experiment's. */
  readonly net?: OwnNet;
  /** Learning rate; what it is the rate of is the experiment's to say. */
  readonly lr?: number;
  /** Samples of each replica in a step. */
  readonly replicaBatches?: readonly number[];
  readonly epochs?: number;
  /** Of the data; known where the caller has chosen any of it, the net, batches or epochs. */
  readonly facts?: DataFacts;
}

/** What plans need to know of the data. */
export interface DataFacts {
  readonly inputShape: Shape;
  readonly countTrain: number;
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

/** What decides the nets of a run beside its settings. */
export interface NetContext {
  readonly dataset: Dataset;
  /** Of the caller; undefined for the experiment's own nets. */
  readonly net?: LayerSpec | undefined;
}

/** What a run is given. */
export interface RunContext extends NetContext {
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
  /** For each choice `true` where it is taken, or why it makes no sense here. What is not listed
   * is refused. */
  readonly choices?: Readonly<Partial<Record<Choice, true | string>>>;
  plan(options: ExperimentOptions): readonly RunSpec[];
  /** The nets that a run with these settings trains, so that they can be checked before any is. */
  nets?(settings: PlainRecord, context: NetContext): readonly LayerSpec[];
  run(spec: RunSpec, context: RunContext): Promise<RunValues>;
  /** What a run with these settings has measured: all that `analyse` looks for. */
  resultSchema(settings: PlainRecord): ResultSchema;
  /** Also of results that are not complete. */
  analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis;
}
