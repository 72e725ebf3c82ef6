// Data larger than memory, which is read in chunks from files or by a program. It has the fields of
// a dataset, known in advance; samples are checked when they are read.

import { UsageError } from '../../base/errors.ts';
import { sizeOf } from '../../base/shape.ts';
import type { Dataset, Split } from '../dataset.ts';
import { targetSize } from '../task.ts';
import { countChunks, type ShuffleWindow } from './windows.ts';

/** The samples of a chunk, laid out as in a {@link Split}. */
export interface SampleChunk {
  /** Consecutive samples, channels last: bytes or float32, depending on `inputType`. */
  readonly inputs: Uint8Array | Float32Array;
  /** Classes (int32) or numbers (float32), depending on `task`. */
  readonly targets: Int32Array | Float32Array;
  /** Sample weights, if the split is weighted. */
  readonly weights?: Float32Array;
}

/** A split that is read in chunks. */
export interface ChunkedSplit {
  /** Total samples. */
  readonly count: number;
  /** Samples per chunk; the last chunk has the remainder. */
  readonly chunkSamples: number;
  /** Whether chunks have weights; default false. */
  readonly isWeighted?: boolean;
  /** Whether chunks must be requested in ascending order; a pass may start at any chunk. Training
   * then shuffles samples only within windows. Default false. */
  readonly inOrder?: boolean;
  /** Reads chunk `index`, counted from 0, and returns the same values on every call. The trainer
   * copies them. It requests the next chunk while it copies this one, so two are in use at a time.
   * If the promise rejects, so does the trainer's call that needs the chunk. `signal` is aborted
   * when the chunk is no longer needed. */
  read(index: number, signal: AbortSignal): Promise<SampleChunk>;
  /** Names a chunk in error messages; default: its index, split and data. */
  nameOf?(index: number): string;
}

/** A dataset whose training samples, and optionally test samples, are read as a run needs them. */
export interface ChunkedDataset extends Omit<Dataset, 'train' | 'test'> {
  /** The training samples. */
  readonly train: ChunkedSplit;
  /** May be empty (count 0). */
  readonly test: Split | ChunkedSplit;
  /** How many training samples are shuffled together, at least a global batch; rounded up to whole
   * chunks. The process holds two windows, the current one and the next. Default: as many samples
   * as fit in 128 MB. If the window covers all samples, they stay in memory. */
  readonly window?: number;
  /** Identifies the content. Checkpoints store it, and a resume compares it. Default: derived from
   * the dataset's fields, without its samples. */
  readonly contentHash?: string;
}

/** What a trainer trains on. */
export type TrainingData = Dataset | ChunkedDataset;

/** Bytes in the default window. */
export const WINDOW_BYTES = 128e6;

export function isChunked(data: TrainingData): data is ChunkedDataset {
  return isChunkedSplit(data.train);
}

/** Whether a split is read in chunks; also accepts unchecked data. */
export function isChunkedSplit(split: Split | ChunkedSplit): split is ChunkedSplit {
  return typeof split === 'object' && split !== null && 'read' in split;
}

/** The window of a run, or undefined if all samples are shuffled together. Throws a
 * {@link UsageError} if a global batch does not fit. */
export function shuffleWindowOf(
  { name, train, window, ...data }: ChunkedDataset,
  globalBatch: number,
): ShuffleWindow | undefined {
  const { count, chunkSamples, inOrder = false } = train;
  const samples = window ?? Math.floor(WINDOW_BYTES / chunkBytes(data, { ...train, count: 1 }));
  const chunks = Math.max(1, Math.ceil(samples / chunkSamples));
  if (chunks >= countChunks(count, chunkSamples)) return undefined;
  checkWindow(`window of ${name}`, { chunkSamples, chunks }, globalBatch);
  return { chunkSamples, chunks, ...(inOrder && { inOrder }) };
}

/** Throws a {@link UsageError} if a global batch does not fit in the window. */
export function checkWindow(
  what: string,
  { chunkSamples, chunks }: ShuffleWindow,
  globalBatch: number,
): void {
  if (chunks * chunkSamples >= globalBatch) return;
  const given = `${chunks * chunkSamples} samples`;
  throw new UsageError({ what, given, allowed: `at least a global batch, ${globalBatch} samples` });
}

/** The size of `count` samples with targets and weights. */
export function chunkBytes(
  { inputShape, inputType, task }: Pick<Dataset, 'inputShape' | 'inputType' | 'task'>,
  { count, isWeighted = false }: Pick<ChunkedSplit, 'count' | 'isWeighted'>,
): number {
  const inputs = sizeOf(inputShape) * (inputType === 'u8' ? 1 : 4);
  return count * (inputs + 4 * targetSize(task) + (isWeighted ? 4 : 0));
}

/** The number of samples in a chunk. */
export function samplesIn({ count, chunkSamples }: ChunkedSplit, index: number): number {
  return Math.min(chunkSamples, count - index * chunkSamples);
}
