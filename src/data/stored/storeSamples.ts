// Puts a dataset into memory that all threads share. Arrays that are already in shared memory are
// used in place; all others are copied once. Chunked data gets room for the chunks of two windows.

import { sizeOf } from '../../base/shape.ts';
import {
  type ChunkedDataset,
  type ChunkedSplit,
  isChunked,
  isChunkedSplit,
  type TrainingData,
} from '../chunked/chunkedDataset.ts';
import { countChunks, type ShuffleWindow } from '../chunked/windows.ts';
import type { Split } from '../dataset.ts';
import { holdOut } from '../subset.ts';
import { targetSize } from '../task.ts';
import { createFeedWords, WINDOWS_HELD } from './feed.ts';
import type { StoredChunk, StoredSamples, StoredSplit } from './storedSamples.ts';

/** The parts of a run that decide how its samples are stored. */
export interface StoringRun {
  readonly data: { readonly countValidation?: number };
  readonly seed: number;
  readonly globalBatch: number;
  readonly workers: number;
  /** For chunked data; absent if all training samples are shuffled together. */
  readonly window?: ShuffleWindow;
}

/** Samples in shared memory, before the inputs are copied. Inputs are most of the data, and nothing
 * reads them before the first step. */
export interface BegunStore {
  readonly samples: StoredSamples;
  /** Copies the inputs. Call it once. */
  fillInputs(): void;
}

type Values = Uint8Array | Int32Array | Float32Array;

/** Puts a dataset into shared memory. */
export function storeSamples(dataset: TrainingData, run: StoringRun): StoredSamples {
  const { samples, fillInputs } = beginStoring(dataset, run);
  fillInputs();
  return samples;
}

/** Reserves memory for a dataset and copies everything but the inputs. Chunks are read later. */
export function beginStoring(data: TrainingData, run: StoringRun): BegunStore {
  if (isChunked(data)) return beginChunked(data, run);
  const { countValidation = 0 } = run.data;
  const held = countValidation === 0 ? undefined : holdOut(data, countValidation, run.seed);
  const train = beginSplit(held?.train ?? data.train);
  const test = beginSplit(data.test);
  const validation = held && beginSplit(held.heldOut);
  const { domains } = held?.train ?? data.train;
  const begun = [train, test, ...(validation === undefined ? [] : [validation])];
  return {
    samples: {
      train: train.stored,
      evaluated: { train: train.stored, test: test.stored, validation: validation?.stored },
      domains: domains && shared(domains),
    },
    fillInputs: () => {
      for (const { fill } of begun) fill();
    },
  };
}

function beginChunked(data: ChunkedDataset, run: StoringRun): BegunStore {
  const inOrder = (split: ChunkedSplit): StoredSplit => {
    const chunks = Math.ceil(run.globalBatch / split.chunkSamples);
    return reserve(data, split, chunks, run.workers);
  };
  const { train, test } = data;
  const begun = isChunkedSplit(test) ? { stored: inOrder(test), fill: () => {} } : beginSplit(test);
  const samples = {
    train: reserve(data, train, run.window?.chunks, run.workers),
    evaluated: { train: inOrder(train), test: begun.stored, validation: undefined },
    domains: undefined,
  };
  return { samples, fillInputs: begun.fill };
}

interface BegunSplit {
  readonly stored: StoredSplit;
  readonly fill: () => void;
}

function beginSplit(split: Split): BegunSplit {
  const inputs = place(split.inputs);
  const weights = split.weights && shared(split.weights);
  const slot = { inputs: inputs.values, targets: shared(split.targets), weights };
  const slotOf = new Int32Array(sharedBytes(Int32Array.BYTES_PER_ELEMENT));
  const chunkSamples = Math.max(1, split.count);
  return { stored: { count: split.count, chunkSamples, slots: [slot], slotOf }, fill: inputs.fill };
}

/** Reserves room for the windows of a split that are held in memory, each with `chunks` chunks. By
 * default, and if a window covers the split, reserves room for all of it. The system allocates a
 * page only when it is written. */
function reserve(
  { inputShape, inputType, task }: ChunkedDataset,
  { count, chunkSamples, isWeighted = false }: ChunkedSplit,
  chunks: number | undefined,
  workers: number,
): StoredSplit {
  const total = countChunks(count, chunkSamples);
  const isWhole = chunks === undefined || chunks >= total;
  const windowChunks = isWhole ? total : chunks;
  const inputs = chunkSamples * sizeOf(inputShape);
  const targets = chunkSamples * targetSize(task);
  const slot = (): StoredChunk => ({
    inputs: inputType === 'u8' ? new Uint8Array(sharedBytes(inputs)) : sharedFloats(inputs),
    targets:
      task.kind === 'regression' ? sharedFloats(targets) : new Int32Array(sharedBytes(4 * targets)),
    weights: isWeighted ? sharedFloats(chunkSamples) : undefined,
  });
  const slots = Array.from({ length: isWhole ? total : WINDOWS_HELD * windowChunks }, slot);
  return {
    count,
    chunkSamples,
    slots,
    slotOf: new Int32Array(sharedBytes(4 * total)),
    feed: {
      words: createFeedWords(workers),
      windowSamples: windowChunks * chunkSamples,
      countWindows: Math.ceil(total / windowChunks),
    },
  };
}

function sharedBytes(length: number): SharedArrayBuffer {
  return new SharedArrayBuffer(length);
}

function sharedFloats(length: number): Float32Array {
  return new Float32Array(sharedBytes(length * Float32Array.BYTES_PER_ELEMENT));
}

/** The values themselves if they are in shared memory, else room for a copy. */
function place<T extends Values>(values: T): { readonly values: T; readonly fill: () => void } {
  if (values.buffer instanceof SharedArrayBuffer) return { values, fill: () => {} };
  const Type = values.constructor as new (buffer: SharedArrayBuffer) => T;
  const copy = new Type(new SharedArrayBuffer(values.byteLength));
  return { values: copy, fill: () => copy.set(values) };
}

function shared<T extends Values>(values: T): T {
  const placed = place(values);
  placed.fill();
  return placed.values;
}

/** The size of all memory that holds samples. */
export function storedBytes({ train, evaluated, domains }: StoredSamples): number {
  const splits = new Set([train, ...Object.values(evaluated)]);
  let sum = domains?.byteLength ?? 0;
  for (const split of splits) {
    for (const { inputs, targets, weights } of split?.slots ?? []) {
      sum += inputs.byteLength + targets.byteLength + (weights?.byteLength ?? 0);
    }
  }
  return sum;
}
