// What a run tells: events in plain data. One and the same stream goes to stdout as JSON lines, to
// a log file, or to the terminal; each is a sink.

import type { CarriedTensor } from '../../checkpoint/convertState.ts';
import type { Diagnostics } from '../../observe/diagnostics.ts';
import type { Profile } from '../../observe/profileReport.ts';
import type { BestEpoch } from '../../optim/monitor.ts';
import type { Evaluation } from '../../runtime/evaluation.ts';
import { screen } from './screen.ts';

export interface StartEvent {
  readonly event: 'start';
  readonly data: string;
  readonly model: string;
  readonly norm: string;
  readonly replicas: number;
  /** Of all processes. */
  readonly workers: number;
  readonly processes: number;
  /** The host of each process. */
  readonly hosts: readonly string[];
  readonly globalBatch: number;
  readonly optimizer: string;
  /** The optimizer's rate, which the schedule changes; scaled, where that is asked for. */
  readonly learningRate: number;
  /** `linear from a global batch of 256`; null where it is not scaled. */
  readonly lrScaling: string | null;
  readonly schedule: string;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Steps that were done before. */
  readonly step: number;
  readonly seed: number;
  readonly mode: string;
  /** The build of the kernels that computes: `strict`, `fast` or `wide`. */
  readonly kernels: string;
  /** Null where it is `wide`. */
  readonly whyNotWide: string | null;
  readonly parameters: number;
  /** Of the arena of each process. */
  readonly memoryBytes: number;
  /** In how many parts workers compute their samples. */
  readonly microBatches: number;
  /** Memory beside the shared one, of all workers of this process. */
  readonly parkedBytes: number;
  /** Of the samples in memory, beside it. */
  readonly dataBytes: number;
  /** How samples are read while the run needs them; null where all are in memory. */
  readonly stream: string | null;
}

/** Of a model with heads, without NaN; absent for others. */
export interface HeadScores {
  /** Of each head, by its name. */
  readonly headLosses?: Readonly<Record<string, number | null>>;
  /** The loss, and that of each head times its weight. */
  readonly totalLoss?: number | null;
}

export interface ProgressEvent extends HeadScores {
  readonly event: 'progress' | 'epoch' | 'stopped';
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly totalSteps: number;
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly imagesPerSecond: number;
  readonly seconds: number;
  readonly secondsLeft: number | null;
  /** Of the last step. */
  readonly learningRate: number | null;
  /** At the end of an epoch, where that is asked for. */
  readonly validation: ValidationScores | null;
  /** The best epoch so far, where something asks for it. */
  readonly best: BestEpoch | null;
  /** Whether early stopping ends the run here. */
  readonly stopsEarly: boolean;
}

/** An evaluation without NaN. */
export interface ValidationScores extends HeadScores {
  readonly loss: number | null;
  readonly accuracy: number | null;
  /** Where targets are masks. */
  readonly meanIou?: number;
  readonly count: number;
  readonly seconds: number;
}

/** A checkpoint was resumed with other normalizations, or a run starts from given weights. */
export interface ConvertedEvent {
  readonly event: 'converted';
  /** The file with the weights; null where norms were converted. */
  readonly weights: string | null;
  /** Tensors, of normalizations or of all layers, that kept their values. */
  readonly carried: readonly CarriedTensor[];
  /** Those that start anew or are gone. */
  readonly lost: readonly CarriedTensor[];
}

export interface CheckpointEvent {
  readonly event: 'checkpoint';
  readonly path: string;
  readonly step: number;
}

export interface DoneEvent {
  readonly event: 'done';
  readonly testAccuracy: number | null;
  readonly testLoss: number | null;
  /** Where targets are masks. */
  readonly testMeanIou?: number;
  /** Of the average of the weights, where the run has kept one. */
  readonly averageAccuracy?: number | null;
  readonly averageMeanIou?: number;
  readonly averageLoss?: number | null;
  readonly imagesPerSecond: number;
  readonly seconds: number;
  readonly weightsHash: string;
}

export interface ErrorEvent {
  readonly event: 'error';
  readonly kind: string;
  readonly message: string;
}

/** The last snapshot step at the end of an epoch, or where the run stops. What is NaN becomes null
 * in JSON. */
export interface DiagnosticsEvent extends Diagnostics {
  readonly event: 'diagnostics';
}

/** Where the time of the run's steps has gone. */
export interface ProfileEvent extends Omit<Profile, 'spans'> {
  readonly event: 'profile';
}

/** The last steps of the profile are in a file. */
export interface TraceFileEvent {
  readonly event: 'trace';
  readonly path: string;
  readonly steps: number;
}

/** Something that is worth knowing, although nothing is wrong. */
export interface NoticeEvent {
  readonly event: 'notice';
  readonly message: string;
}

/** The run can be watched. */
export interface WatchEvent {
  readonly event: 'watch';
  readonly url: string;
}

/** The report is written. */
export interface ReportEvent {
  readonly event: 'report';
  readonly path: string;
}

/** The file for TensorBoard is closed. */
export interface TensorBoardEvent {
  readonly event: 'tensorboard';
  readonly path: string;
}

export type RunEvent =
  | StartEvent
  | ConvertedEvent
  | ProgressEvent
  | DiagnosticsEvent
  | CheckpointEvent
  | ProfileEvent
  | TraceFileEvent
  | NoticeEvent
  | WatchEvent
  | ReportEvent
  | TensorBoardEvent
  | DoneEvent
  | ErrorEvent;

/** Where events go. A sink that cannot be written never ends the run. */
export interface Sink {
  take(event: RunEvent): void;
  /** Throws an IncompleteOutput where events are missing. */
  close(): void;
}

/** JSON has no NaN: what is not known is null. */
export function known(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** The field with the mean IoU of an evaluation; none where it has none. */
export function meanIouAs<Field extends string>(
  field: Field,
  evaluation: Pick<Evaluation, 'meanIou'> | undefined,
): { readonly [Key in Field]?: number } {
  const { meanIou = Number.NaN } = evaluation ?? {};
  return (Number.isNaN(meanIou) ? {} : { [field]: meanIou }) as { [Key in Field]?: number };
}

/** The fields of the heads; none where the model has none. */
export function headsAs({
  headLosses,
  totalLoss,
}: Pick<Evaluation, 'headLosses' | 'totalLoss'>): HeadScores {
  const losses = Object.entries(headLosses).map(([name, loss]) => [name, known(loss)] as const);
  if (losses.length === 0) return {};
  return { headLosses: Object.fromEntries(losses), totalLoss: known(totalLoss) };
}

/** One JSON object a line on stdout. */
export function jsonSink(): Sink {
  return {
    take: (event) => screen.sayJson(event),
    close: () => {},
  };
}

/** The last event of a run that ended. */
export function doneEvent(
  training: { readonly imagesPerSecond: number; readonly seconds: number },
  evaluations: {
    readonly raw: Evaluation | undefined;
    /** Of the average. */
    readonly average: Evaluation | undefined;
  },
  weightsHash: string,
): DoneEvent {
  const { raw, average } = evaluations;
  return {
    event: 'done',
    testAccuracy: raw === undefined ? null : known(raw.accuracy),
    testLoss: raw === undefined ? null : known(raw.loss),
    ...meanIouAs('testMeanIou', raw),
    ...(average !== undefined && {
      averageAccuracy: known(average.accuracy),
      averageLoss: known(average.loss),
      ...meanIouAs('averageMeanIou', average),
    }),
    imagesPerSecond: training.imagesPerSecond,
    seconds: training.seconds,
    weightsHash,
  };
}
