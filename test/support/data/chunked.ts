// Data in memory as data that is read in chunks.

import { setTimeout as sleep } from 'node:timers/promises';
import type {
  ChunkedDataset,
  ChunkedSplit,
  SampleChunk,
} from '../../../src/data/chunked/chunkedDataset.ts';
import type { Dataset, Split } from '../../../src/data/dataset.ts';

export interface ChunkedOptions {
  readonly chunkSamples: number;
  readonly window?: number;
  /** Whether test samples are read in chunks, too; default false. */
  readonly testToo?: boolean;
  /** How long a read takes. */
  readonly readMs?: number;
  /** Is told of each read. */
  readonly onRead?: (index: number) => void;
}

/** The same samples, chunk by chunk. */
export function inChunks(data: Dataset, options: ChunkedOptions): ChunkedDataset {
  const { window, testToo = false } = options;
  return {
    ...data,
    train: splitInChunks(data.train, options),
    test: testToo ? splitInChunks(data.test, { ...options, onRead: () => {} }) : data.test,
    ...(window !== undefined && { window }),
  };
}

function splitInChunks(split: Split, options: ChunkedOptions): ChunkedSplit {
  const { chunkSamples, readMs, onRead } = options;
  const { count, inputs, targets, weights } = split;
  const part = <T extends Uint8Array | Int32Array | Float32Array>(values: T, index: number): T => {
    const length = values.length / count;
    const first = index * chunkSamples;
    const end = Math.min(first + chunkSamples, count);
    return values.slice(first * length, end * length) as T;
  };
  return {
    count,
    chunkSamples,
    isWeighted: weights !== undefined,
    async read(index): Promise<SampleChunk> {
      onRead?.(index);
      if (readMs !== undefined) await sleep(readMs);
      return {
        inputs: part(inputs, index),
        targets: part(targets, index),
        ...(weights !== undefined && { weights: part(weights, index) }),
      };
    },
  };
}
