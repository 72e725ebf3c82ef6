// Samples outside the arena: one copy in shared memory, and none if they are already shared.

import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { viewSplit } from '../../src/data/stored/storedSamples.ts';
import { beginStoring, storedBytes, storeSamples } from '../../src/data/stored/storeSamples.ts';
import { holdOut } from '../../src/data/subset.ts';
import { dataPlanOf } from '../../src/plan/config.ts';
import { dataBytesOf } from '../../src/plan/dataBytes.ts';

const data = synthetic({ train: 24, test: 6, shape: [3, 3, 1], classes: 4, seed: 2 });
const run = { data: {}, seed: 1, globalBatch: 4, workers: 1 };

describe('stored samples', () => {
  it('are one copy in shared memory', () => {
    const { train, test, validation } = storeSamples(data, run).evaluated;
    for (const [split, given] of [
      [train, data.train],
      [test, data.test],
    ] as const) {
      const [chunk] = split.slots;
      expect(chunk).toEqual({ inputs: given.inputs, targets: given.targets, weights: undefined });
      for (const { buffer } of [chunk!.inputs, chunk!.targets]) {
        expect(buffer).toBeInstanceOf(SharedArrayBuffer);
      }
    }
    expect(validation).toBeUndefined();
  });

  it('reuse arrays that are already shared, at any offset', () => {
    const { inputs } = data.train;
    const place = new Float32Array(new SharedArrayBuffer(inputs.byteLength + 8), 8, inputs.length);
    const given: Dataset = { ...data, train: { ...data.train, inputs: place } };
    const { samples, fillInputs } = beginStoring(given, run);
    fillInputs();
    expect(samples.train.slots[0]!.inputs).toBe(place);
    const { inputs: copied } = samples.evaluated.test.slots[0]!;
    expect(copied.buffer.byteLength).toBe(data.test.inputs.byteLength);
    const bytes = storedBytes(samples);
    const { train, test } = data;
    const values = [train.inputs, train.targets, test.inputs, test.targets];
    expect(bytes).toBe(values.reduce((sum, { byteLength }) => sum + byteLength, 0));
    expect(dataBytesOf({ data: dataPlanOf(data) })).toBe(bytes);
  });

  it('are split if some are held out', () => {
    const { evaluated } = storeSamples(data, { ...run, data: { countValidation: 5 } });
    const { train, validation } = evaluated;
    const expected = holdOut(data, 5, 1);
    expect(train.slots[0]!.targets).toEqual(expected.train.targets);
    expect(validation!.slots[0]!.inputs).toEqual(expected.heldOut.inputs);
  });
});

describe('a view of a split', () => {
  it('finds samples by chunk and slot', () => {
    const slot = { inputs: new Uint8Array(6), targets: new Int32Array(3), weights: undefined };
    const view = viewSplit({
      count: 8,
      chunkSamples: 3,
      slots: [slot, slot, slot],
      slotOf: Int32Array.of(2, 0, 1),
    });
    const places = Array.from({ length: 8 }, (_, i) => [view.slotOf(i), view.rowOf(i)]);
    expect(places).toEqual([
      ...[0, 1, 2].map((row) => [2, row]),
      ...[0, 1, 2].map((row) => [0, row]),
      ...[0, 1].map((row) => [1, row]),
    ]);
  });
});
