// Notices about classes before a run starts. Notices about units are tested in
// test/runtime/units.test.ts.

import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { dataNotices } from '../../src/data/notices.ts';
import { openDataset } from '../../src/data/open.ts';
import { folderOf, idxBytes, idxFolder, smallDataset } from '../support/dataFiles.ts';

const labeled = (trained: number[], tested: number, classes: number): Dataset => {
  const { train, test } = smallDataset();
  return smallDataset({
    task: { kind: 'classification', classes },
    train: { ...train, targets: Int32Array.from(trained) },
    test: { ...test, targets: Int32Array.of(tested) },
  });
};

describe('classes without training samples', () => {
  it('are not mentioned if there are none', () => {
    expect(dataNotices(smallDataset())).toEqual([]);
    expect(dataNotices(synthetic({ train: 20, test: 10 }))).toEqual([]);
  });

  it('are named, with those that are tested', () => {
    expect(dataNotices(labeled([0, 3, 3], 2, 6))).toEqual([
      'No training sample of small is of class 1, 2, 4 and 1 more (of 6). Test samples have 2 of ' +
        'them, which a model cannot learn.',
    ]);
    expect(dataNotices(labeled([0, 1, 1], 0, 3))).toEqual([
      'No training sample of small is of class 2 (of 3). No test sample has one either.',
    ]);
  });

  it('are found in labels that begin at 1, like those of EMNIST letters', async () => {
    const files = idxFolder(3, 1);
    const labels = { 'train-labels-idx1-ubyte': idxBytes([3], [1, 2, 3]) };
    const tested = { 't10k-labels-idx1-ubyte': idxBytes([1], [1]) };
    const data = await openDataset(await folderOf({ ...files, ...labels, ...tested }));
    expect(dataNotices(data)).toEqual([
      expect.stringMatching(
        /of class 0 \(of 4\)\. .*Labels that begin at 1 may be reduced by 1\.$/,
      ),
    ]);
  });
});
