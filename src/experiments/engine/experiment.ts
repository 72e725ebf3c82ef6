// Defines an experiment: a list of runs as plain data, a function that performs one run, and one
// that analyzes all results. Files and the terminal are the runner's concern.

import type { Shape } from '../../base/shape.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import type { Verdict } from '../../report/page.ts';
import type { LinePlot } from '../../report/plot.ts';
import type { ResultSchema, RunValues } from './resultSchema.ts';

/** Settings or results of a run, as stored in files. */
export type PlainValue = string | number | boolean | null;
export type PlainRecord = Readonly<Record<string, PlainValue>>;

/** A network supplied by the caller. */
export interface OwnNet {
  /** As typed. */
  readonly name: string;
  readonly model: LayerSpec;
}

/** The choices that an experiment's flags can offer. */
export const CHOICES = [
  'model',
  'lr',
  'replica-batches',
  'norms',
  'epochs',
  'conventions',
] as const;
export type Choice = (typeof CHOICES)[number];

/** The caller's choices. */
export interface ExperimentOptions {
  /** Fewer and shorter runs, to check that everything works. Their verdicts are weak. */
  readonly quick: boolean;
  /** Number of seeds; they count up from 1. */
  readonly seeds: number;
  /** Name or folder of the dataset. It affects the results, so it is part of the settings. */
  readonly data: string;
  /** Norms to compare; default: the experiment's. */
  readonly norms?: readonly string[];
  /** Systems to compare with, for the experiment that offers this choice. */
  readonly conventions?: readonly string[];
  /** The network to train; default: the experiment's. */
  readonly net?: OwnNet;
  /** Learning rate. The experiment defines which batch it applies to. */
  readonly lr?: number;
  /** Per-replica batch sizes. */
  readonly replicaBatches?: readonly number[];
  readonly epochs?: number;
  /** Known if the caller has chosen the data, the net, batches or epochs. */
  readonly facts?: DataFacts;
}

/** The properties of the data that plans need. */
export interface DataFacts {
  readonly inputShape: Shape;
  readonly countTrain: number;
}

/** One run. Equal settings give equal numbers with any number of workers. */
export interface RunSpec {
  /** For display, such as `sync, batch 2, seed 1`. */
  readonly label: string;
  /** Everything that affects the result. The runner derives the stored result's key from it. */
  readonly settings: PlainRecord;
  /** Duration relative to the experiment's other runs, used to estimate the time left. */
  readonly cost: number;
}

/** A finished run, as stored in results.jsonl. */
export interface RunResult extends RunValues {
  readonly settings: PlainRecord;
}

/** What determines the nets of a run, besides its settings. */
export interface NetContext {
  readonly dataset: Dataset;
  /** The caller's net; undefined for the experiment's own nets. */
  readonly net?: LayerSpec | undefined;
}

/** The context that a run receives. */
export interface RunContext extends NetContext {
  /** Threads; default: one per core. */
  readonly workers: number | undefined;
  /** Aborted when the user wants to stop. The run then ends soon and rejects. */
  readonly signal: AbortSignal;
  /** Reports the share of the run that is done, from 0 to 1. */
  progress(share: number): void;
}

/** A claim and its verdict, which is always computed from the numbers. */
export interface ClaimVerdict {
  readonly claim: string;
  readonly verdict: Verdict;
  /** The numbers, such as `6.1 +- 0.4 % against 2.9 +- 0.2 %`. */
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

/** The analysis of all results. */
export interface Analysis {
  readonly tables: readonly AnalysisTable[];
  readonly plots: readonly AnalysisPlot[];
  readonly verdicts: readonly ClaimVerdict[];
  /** Paragraphs on how to read the results, and on what was chosen and why. */
  readonly notes: readonly string[];
}

export interface Experiment {
  /** As typed, such as `small-batch`. */
  readonly name: string;
  readonly title: string;
  /** The expectation before any run. */
  readonly hypothesis: string;
  /** Default dataset and seeds, for full and quick runs. */
  readonly defaults: {
    readonly data: string;
    readonly quickData: string;
    readonly seeds: number;
    readonly quickSeeds: number;
  };
  /** For each choice, `true` if it is accepted, or the reason why it does not apply. Choices that
   * are not listed are rejected. */
  readonly choices?: Readonly<Partial<Record<Choice, true | string>>>;
  plan(options: ExperimentOptions): readonly RunSpec[];
  /** The nets that a run with these settings trains, which are checked before training. */
  nets?(settings: PlainRecord, context: NetContext): readonly LayerSpec[];
  run(spec: RunSpec, context: RunContext): Promise<RunValues>;
  /** The measurements of a run with these settings: everything that `analyse` reads. */
  resultSchema(settings: PlainRecord): ResultSchema;
  /** Analyzes results, which may be incomplete. */
  analyse(results: readonly RunResult[], options: ExperimentOptions): Analysis;
}
