// The events of a run, as plain data. The same stream goes to stdout as JSON lines, to a log file,
// or to the terminal; each is a sink.

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
  /** Workers of all processes. */
  readonly workers: number;
  readonly processes: number;
  /** The host of each process. */
  readonly hosts: readonly string[];
  readonly globalBatch: number;
  readonly optimizer: string;
  /** The optimizer's rate, which the schedule changes; after any scaling. */
  readonly learningRate: number;
  /** `linear from a global batch of 256`; null if it is not scaled. */
  readonly lrScaling: string | null;
  readonly schedule: string;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Steps completed before. */
  readonly step: number;
  readonly seed: number;
  readonly mode: string;
  /** The kernel build in use: `strict`, `fast` or `wide`. */
  readonly kernels: string;
  /** Null if it is `wide`. */
  readonly whyNotWide: string | null;
  readonly parameters: number;
  /** Arena size of each process. */
  readonly memoryBytes: number;
  /** In how many parts workers compute their samples. */
  readonly microBatches: number;
  /** Memory outside the arena, of all workers of this process. */
  readonly parkedBytes: number;
  /** Bytes of the samples in memory, outside the arena. */
  readonly dataBytes: number;
  /** How samples are read during the run; null if all are in memory. */
  readonly stream: string | null;
}

/** For a model with heads, without NaN; absent for others. */
export interface HeadScores {
  /** Loss of each head, by name. */
  readonly headLosses?: Readonly<Record<string, number | null>>;
  /** The loss plus each head's loss times its weight. */
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
  /** Rate of the last step. */
  readonly learningRate: number | null;
  /** At the end of an epoch, if requested. */
  readonly validation: ValidationScores | null;
  /** The best epoch so far, if a flag needs it. */
  readonly best: BestEpoch | null;
  /** Whether early stopping ends the run here. */
  readonly stopsEarly: boolean;
}

/** An evaluation without NaN. */
export interface ValidationScores extends HeadScores {
  readonly loss: number | null;
  readonly accuracy: number | null;
  /** If targets are masks. */
  readonly meanIou?: number;
  readonly count: number;
  readonly seconds: number;
}

/** A checkpoint was resumed with other normalizations, or a run starts from given weights. */
export interface ConvertedEvent {
  readonly event: 'converted';
  /** The file with the weights; null if norms were converted. */
  readonly weights: string | null;
  /** Tensors that kept their values, of normalizations or of all layers. */
  readonly carried: readonly CarriedTensor[];
  /** Those that start fresh or are gone. */
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
  /** If targets are masks. */
  readonly testMeanIou?: number;
  /** For the average of the weights, if the run kept one. */
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

/** The last snapshot step at the end of an epoch, or where the run stops. NaN becomes null in
 * JSON. */
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

/** Something worth knowing although nothing is wrong. */
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
  /** Throws an IncompleteOutput if events are missing. */
  close(): void;
}

/** JSON has no NaN, so unknown values are null. */
export function known(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** The field with the mean IoU of an evaluation, if it has one. */
export function meanIouAs<Field extends string>(
  field: Field,
  evaluation: Pick<Evaluation, 'meanIou'> | undefined,
): { readonly [Key in Field]?: number } {
  const { meanIou = Number.NaN } = evaluation ?? {};
  return (Number.isNaN(meanIou) ? {} : { [field]: meanIou }) as { [Key in Field]?: number };
}

/** The fields of the heads, if the model has any. */
export function headsAs({
  headLosses,
  totalLoss,
}: Pick<Evaluation, 'headLosses' | 'totalLoss'>): HeadScores {
  const losses = Object.entries(headLosses).map(([name, loss]) => [name, known(loss)] as const);
  if (losses.length === 0) return {};
  return { headLosses: Object.fromEntries(losses), totalLoss: known(totalLoss) };
}

/** Prints one JSON object per line on stdout. */
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
    /** Evaluation of the average. */
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
