// From a dataset to the memory that all threads share. Arrays that lie in shared memory already are
// taken as they are; of all others there is one copy.

import type { Dataset, Split } from '../dataset.ts';
import { holdOut } from '../subset.ts';
import type { StoredSamples, StoredSplit } from './storedSamples.ts';

/** What of a run says which training samples are held out for validation. */
export interface StoringRun {
  readonly data: { readonly countValidation?: number };
  readonly seed: number;
}

/** Samples in shared memory, of which the inputs, most of them, are still to be copied: nothing
 * reads them before the first step. */
export interface BegunStore {
  readonly samples: StoredSamples;
  /** Copies the inputs. To be called once. */
  fillInputs(): void;
}

type Values = Uint8Array | Int32Array | Float32Array;

/** Puts a dataset into shared memory. */
export function storeSamples(dataset: Dataset, run: StoringRun): StoredSamples {
  const { samples, fillInputs } = beginStoring(dataset, run);
  fillInputs();
  return samples;
}

/** Reserves memory for a dataset and copies all but the inputs. */
export function beginStoring(data: Dataset, run: StoringRun): BegunStore {
  const { countValidation = 0 } = run.data;
  const held = countValidation === 0 ? undefined : holdOut(data, countValidation, run.seed);
  const fills: (() => void)[] = [];
  const store = (split: Split): StoredSplit => {
    const inputs = place(split.inputs);
    fills.push(inputs.fill);
    const weights = split.weights && shared(split.weights);
    return {
      count: split.count,
      chunkSamples: Math.max(1, split.count),
      slots: [{ inputs: inputs.values, targets: shared(split.targets), weights }],
      slotOf: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
    };
  };
  const train = held?.train ?? data.train;
  return {
    samples: {
      train: store(train),
      test: store(data.test),
      validation: held && store(held.heldOut),
      domains: train.domains && shared(train.domains),
    },
    fillInputs: () => {
      for (const fill of fills) fill();
    },
  };
}

/** The values themselves where they are shared, else room for them. */
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

/** Bytes of all samples. */
export function storedBytes({ train, test, validation, domains }: StoredSamples): number {
  const splits = [train, test, ...(validation === undefined ? [] : [validation])];
  const sizes = splits.flatMap(({ slots, slotOf }) => [
    slotOf.byteLength,
    ...slots.map(({ inputs, targets, weights }) => {
      return inputs.byteLength + targets.byteLength + (weights?.byteLength ?? 0);
    }),
  ]);
  return sizes.reduce((sum, size) => sum + size, domains?.byteLength ?? 0);
}
