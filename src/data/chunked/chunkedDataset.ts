// Data that is read in chunks, from files or by a program, since it is larger than memory. What is
// known of it beforehand is that of a dataset; samples are checked when they are read.

import { UsageError } from '../../base/errors.ts';
import { sizeOf } from '../../base/shape.ts';
import type { Dataset, Split } from '../dataset.ts';
import { targetSize } from '../task.ts';
import { countChunks, type ShuffleWindow } from './windows.ts';

/** The samples of a chunk, one after the other, as a {@link Split} has them. */
export interface SampleChunk {
  /** Samples one after the other, channels last: bytes or float32, as `inputType` says. */
  readonly inputs: Uint8Array | Float32Array;
  /** Classes (int32) or numbers (float32), as `task` says. */
  readonly targets: Int32Array | Float32Array;
  /** Where samples have weights. */
  readonly weights?: Float32Array;
}

/** A split in chunks. */
export interface ChunkedSplit {
  /** Samples in all chunks. */
  readonly count: number;
  /** Samples of each chunk; the last one has those that are left. */
  readonly chunkSamples: number;
  /** Whether chunks have weights; default false. */
  readonly isWeighted?: boolean;
  /** Whether a pass over the samples asks for chunks in their order, from whichever one it begins
   * with. Training then shuffles samples within windows alone; default false. */
  readonly inOrder?: boolean;
  /** Reads chunk `index`, counted from 0: the same values whenever it is asked for. The trainer
   * copies them; it asks for the next chunk while it takes this one, so two are in use at a time. A
   * rejection ends the call of the trainer that needs the chunk. `signal` is aborted when the chunk
   * is no longer needed. */
  read(index: number, signal: AbortSignal): Promise<SampleChunk>;
  /** What errors call a chunk; default: its index, split and data. */
  nameOf?(index: number): string;
}

/** A dataset whose training samples, and maybe test samples, are read while a run needs them. */
export interface ChunkedDataset extends Omit<Dataset, 'train' | 'test'> {
  /** The training samples. */
  readonly train: ChunkedSplit;
  /** May be empty (count 0). */
  readonly test: Split | ChunkedSplit;
  /** How many training samples are shuffled among each other, at least a global batch; rounded up
   * to whole chunks. The process holds twice as many, those that are used and those that come
   * next. Default: what 128 MB hold. All samples, which stay in memory, where there are no more. */
  readonly window?: number;
  /** Tells the content from others; a checkpoint keeps it, and a resume compares it. Default: the
   * fields of the dataset, without its samples. */
  readonly contentHash?: string;
}

/** What a trainer trains on. */
export type TrainingData = Dataset | ChunkedDataset;

/** Bytes of the window where none is asked for. */
export const WINDOW_BYTES = 128e6;

export function isChunked(data: TrainingData): data is ChunkedDataset {
  return isChunkedSplit(data.train);
}

/** Whether a split, of unchecked data, too, is one in chunks. */
export function isChunkedSplit(split: Split | ChunkedSplit): split is ChunkedSplit {
  return typeof split === 'object' && split !== null && 'read' in split;
}

/** The window of a run; undefined where all samples are shuffled among each other. Throws a
 * {@link UsageError} where it has no room for a global batch. */
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

/** Throws a {@link UsageError} where a window has no room for a global batch. */
export function checkWindow(
  what: string,
  { chunkSamples, chunks }: ShuffleWindow,
  globalBatch: number,
): void {
  if (chunks * chunkSamples >= globalBatch) return;
  const given = `${chunks * chunkSamples} samples`;
  throw new UsageError({ what, given, allowed: `at least a global batch, ${globalBatch} samples` });
}

/** Bytes of so many samples with targets and weights. */
export function chunkBytes(
  { inputShape, inputType, task }: Pick<Dataset, 'inputShape' | 'inputType' | 'task'>,
  { count, isWeighted = false }: Pick<ChunkedSplit, 'count' | 'isWeighted'>,
): number {
  const inputs = sizeOf(inputShape) * (inputType === 'u8' ? 1 : 4);
  return count * (inputs + 4 * targetSize(task) + (isWeighted ? 4 : 0));
}

/** How many samples a chunk has. */
export function samplesIn({ count, chunkSamples }: ChunkedSplit, index: number): number {
  return Math.min(chunkSamples, count - index * chunkSamples);
}
