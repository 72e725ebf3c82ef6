// Data is the same when its content is, whatever it is called.

import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import {
  type DatasetDescription,
  dataDifference,
  describeDataset,
} from '../../src/data/identity.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { openDataset } from '../../src/data/open.ts';
import { folderOf, idxFolder, smallDataset } from '../support/dataFiles.ts';

/** As a checkpoint without a hash of the content has it. */
function old(dataset: Dataset): DatasetDescription {
  const { contentHash: _hash, ...description } = describeDataset(dataset);
  return description;
}

describe('describeDataset', () => {
  it('is plain data that survives JSON', () => {
    const description = describeDataset(smallDataset());
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
    expect(description).toMatchObject({
      name: 'small',
      countTrain: 3,
      countTest: 1,
      inputShape: [1, 2, 2],
    });
  });

  it('sums up the first sample by FNV-1a: the published value of the byte 0x61, then zeros', () => {
    // FNV-1a continues over bytes one at a time, so hash('a') = 0xe40c292c is folded by hand.
    let expected = 0xe40c292c;
    for (let i = 0; i < 4; i++) expected = Math.imul(expected, 0x01000193);
    const one = smallDataset({
      inputShape: [1],
      mean: [0],
      std: [1],
      train: { count: 1, inputs: Uint8Array.of(0x61), targets: Int32Array.of(0) },
    });
    expect(describeDataset(one).checksum).toBe(expected >>> 0);
  });

  it('changes its hash only with the values of the splits', () => {
    const hashOf = (changes: Partial<Dataset>): string =>
      describeDataset(smallDataset(changes)).contentHash;
    const { train, test } = smallDataset();
    const hashes = new Set([hashOf({})]);
    for (let i = 0; i < train.inputs.length; i++) {
      const inputs = train.inputs.slice() as Uint8Array;
      inputs[i]! ^= 1;
      hashes.add(hashOf({ train: { ...train, inputs } }));
    }
    for (let i = 0; i < train.targets.length; i++) {
      const targets = train.targets.slice() as Int32Array;
      targets[i] = 1 - targets[i]!;
      hashes.add(hashOf({ train: { ...train, targets } }));
    }
    hashes.add(hashOf({ test: { ...test, targets: Int32Array.of(0) } }));
    hashes.add(hashOf({ test: { ...test, inputs: Uint8Array.of(9, 8, 7, 5) } }));
    hashes.add(hashOf({ mean: [0.5, 0.3] }));
    hashes.add(hashOf({ task: { kind: 'classification', classes: 3 } }));
    expect(hashes.size).toBe(1 + 12 + 3 + 4);
    expect(hashOf({ name: 'another' })).toBe(hashOf({}));
  });

  it('hashes values independently of their offset in the buffer', () => {
    const { train } = smallDataset();
    const shifted = new Uint8Array(13);
    shifted.set(train.inputs, 1);
    const moved = smallDataset({ train: { ...train, inputs: shifted.subarray(1) } });
    expect(describeDataset(moved)).toEqual(describeDataset(smallDataset()));
  });

  it('spreads its hashes over all bits', () => {
    const ones = new Array<number>(128).fill(0);
    for (let seed = 0; seed < 64; seed++) {
      const data = synthetic({ train: 1, test: 0, shape: [3], classes: 2, seed });
      const bits = BigInt(`0x${describeDataset(data).contentHash}`);
      for (let i = 0; i < 128; i++) ones[i]! += Number((bits >> BigInt(i)) & 1n);
    }
    for (const count of ones) expect(Math.abs(count - 32)).toBeLessThan(24);
  });

  it('names a folder by its last part, so that no path is stored', async () => {
    const dir = await folderOf(idxFolder(3, 1));
    const { name } = describeDataset(await openDataset(`${dir}/../${dir.split('/').pop()}/`));
    expect(name).toMatch(/^syncbn-data-\w+$/);
  });
});

describe('dataDifference', () => {
  const { train } = smallDataset();
  const relabeled = smallDataset({ train: { ...train, targets: Int32Array.of(0, 0, 1) } });

  it('ignores names, with and without a stored hash', () => {
    const renamed = describeDataset(smallDataset({ name: './small' }));
    expect(dataDifference(renamed, describeDataset(smallDataset()))).toBeUndefined();
    expect(dataDifference(renamed, old(smallDataset()))).toBeUndefined();
  });

  it('finds a label after the first by the hash', () => {
    const difference = dataDifference(describeDataset(relabeled), describeDataset(smallDataset()));
    expect(difference?.given).toMatch(/the content of small, which was changed/);
  });

  it('says what differs: counts, shapes, task, statistics', () => {
    const given = describeDataset(smallDataset());
    const cases: [Partial<DatasetDescription>, RegExp][] = [
      [{ countTrain: 7 }, /^small, 7 training and 1 test samples$/],
      [{ inputShape: [2, 1, 2] }, /^small, samples 2x1x2 of type u8$/],
      [
        { task: { kind: 'regression', targetShape: [2] } },
        /^small, regression of 2, targets unchanged$/,
      ],
      [{ std: [1, 3] }, /^small, mean 0.5, 0.25 and std 1, 3$/],
    ];
    for (const [changes, message] of cases) {
      const { contentHash: _hash, ...rest } = given;
      expect(dataDifference(given, { ...rest, ...changes })?.saved).toMatch(message);
      const hashed = { ...given, ...changes, contentHash: 'other' };
      expect(dataDifference(given, hashed)?.saved).toMatch(message);
    }
  });
});
