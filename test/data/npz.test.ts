// .npz files: files from NumPy are read; damaged files and zip bombs are refused.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { parseNpz, readNpzDataset } from '../../src/data/npy/npz.ts';
import { folderOf, npyBytes, npzBytes } from '../support/dataFiles.ts';

/** By NumPy 1.24: np.savez_compressed(file, train_images=np.arange(12, dtype='u1').reshape(3, 2,
 * 2), train_labels=[[0], [2], [1]] of u1, val_images, test_images in Fortran order,
 * test_labels=[[1]] of i8), the names of MedMNIST. */
const BY_NUMPY = [
  'UEsDBBQAAAAIAAAAIQCaCbEcVAAAAIwAAAAQABQAdHJhaW5faW1hZ2VzLm5weQEAEACMAAAAAAAAAFQAAAAAAAAAm+',
  'wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjoKRkCkqaNQq0Ae',
  '4GJgZGJmYWVj5+Dk4gYAUEsDBBQAAAAIAAAAIQA+1BqjSQAAAIMAAAAQABQAdHJhaW5fbGFiZWxzLm5weQEAEACDAA',
  'AAAAAAAEkAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBak',
  'AvkaxjoKhpo6CrUKZAMuBiZGAFBLAwQUAAAACAAAACEAR4OLwEoAAACEAAAADgAUAHZhbF9pbWFnZXMubnB5AQAQAI',
  'QAAAAAAAAASgAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBeU2qorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ck',
  'FqQC+RqGOgpGQKSpo1CrQB7gYgACAFBLAwQUAAAACAAAACEAbeZu5UsAAACEAAAADwAUAHRlc3RfaW1hZ2VzLm5weQ',
  'EAEACEAAAAAAAAAEsAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSDykqTQUK',
  'F2ckFqQCuRqGOgpGQKSpo1CrQCbgYmBiZAYAUEsDBBQAAAAIAAAAIQAOqgSlSgAAAIgAAAAPABQAdGVzdF9sYWJlbH',
  'MubnB5AQAQAIgAAAAAAAAASgAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3',
  'S8wpTgWKF2ckFqQC+RqGOgqGmjoKtQpkAy5GBggAAFBLAQIUAxQAAAAIAAAAIQCaCbEcVAAAAIwAAAAQAAAAAAAAAA',
  'AAAACAAQAAAAB0cmFpbl9pbWFnZXMubnB5UEsBAhQDFAAAAAgAAAAhAD7UGqNJAAAAgwAAABAAAAAAAAAAAAAAAIAB',
  'lgAAAHRyYWluX2xhYmVscy5ucHlQSwECFAMUAAAACAAAACEAR4OLwEoAAACEAAAADgAAAAAAAAAAAAAAgAEhAQAAdm',
  'FsX2ltYWdlcy5ucHlQSwECFAMUAAAACAAAACEAbeZu5UsAAACEAAAADwAAAAAAAAAAAAAAgAGrAQAAdGVzdF9pbWFn',
  'ZXMubnB5UEsBAhQDFAAAAAgAAAAhAA6qBKVKAAAAiAAAAA8AAAAAAAAAAAAAAIABNwIAAHRlc3RfbGFiZWxzLm5weV',
  'BLBQYAAAAABQAFADIBAADCAgAAAAA=',
].join('');

const array = npyBytes('<f4', [2, 2], Float32Array.of(1, 2, 3, 4));

describe('readNpzDataset', () => {
  it("reads files from NumPy with MedMNIST's names, and lists what it ignores", async () => {
    const dir = await folderOf({ 'medmnist.npz': Buffer.from(BY_NUMPY, 'base64') });
    const data = await readNpzDataset(join(dir, 'medmnist.npz'));
    expect(data).toMatchObject({ name: 'medmnist', inputShape: [2, 2, 1], inputType: 'u8' });
    expect(data.task).toEqual({ kind: 'classification', classes: 3 });
    expect([...data.train.inputs]).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect([...data.train.targets]).toEqual([0, 2, 1]);
    expect([...data.test.inputs]).toEqual([0, 1, 2, 3]);
    expect(data.notices).toEqual([expect.stringMatching(/^Not read in .*npz: val_images\.$/)]);
  });

  it('names the missing arrays', async () => {
    const dir = await folderOf({ 'a.npz': npzBytes({ 'x_train.npy': array, 'z.npy': array }) });
    await expect(readNpzDataset(join(dir, 'a.npz'))).rejects.toThrow(
      /^y_train missing in .*a\.npz: expected x_train, y_train, with x_test.*, got "x_train, z"/,
    );
  });
});

describe('parseNpz', () => {
  it.each([false, true])('reads arrays, deflated: %s', (isDeflated) => {
    const npz = parseNpz(npzBytes({ 'a.npy': array, 'note.txt': array }, { isDeflated }), 'file');
    expect(npz.names).toEqual(['a']);
    expect(npz.read('a')).toEqual({ shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) });
    expect(() => npz.read('b')).toThrow(/array of file: expected a.*, got "b"/);
  });

  const deflated = npzBytes({ 'a.npy': array }, { isDeflated: true });
  const changed = (at: number, ...bytes: number[]): Uint8Array => {
    const copy = Uint8Array.from(deflated);
    copy.set(bytes, at < 0 ? copy.length + at : at);
    return copy;
  };
  const list = deflated.length - 22 - 46 - 5;
  const stored = npzBytes({ 'a.npy': array });
  stored[stored.length - 22 - 46 - 5 - 1]! ^= 1;
  const cases: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(), /^file: expected .*, got "no list/],
    ['a cut archive', deflated.subarray(0, -1), /^file: expected .*, got "no list/],
    ['a list that is not there', changed(-6, 0xff, 0xff, 0xff, 0x7f), /got "0 of 1 entries/],
    ['more entries than there are', changed(-12, 2), /got "1 of 2 entries/],
    ['encrypted entries', changed(list + 8, 1), /a.npy, which is encrypted/],
    ['other methods', changed(list + 10, 12), /a.npy, which is packed by method 12/],
    ['huge entries', changed(list + 24, 0xff, 0xff, 0xff, 0xff), /a.npy of 4294967295 bytes/],
    ['names beyond the end', changed(list + 28, 0xff, 0xff), /a truncated name/],
    ['an entry that is not there', changed(list + 42, 9), /no a.npy where its list says/],
    ['more packed bytes than there are', changed(list + 20, 0xff, 0xff), /a cut a.npy/],
    ['fewer bytes than it unpacks to', changed(list + 24, 9), /ERR_BUFFER_TOO_LARGE/],
    [
      'more bytes than it unpacks to',
      changed(list + 24, 0xff),
      /144 bytes in a.npy instead of 255/,
    ],
    ['another checksum', stored, /a wrong checksum for a.npy/],
    ['a stream that is none', changed(35, 0xff, 0xff), /a.npy, which cannot be unpacked/],
  ];
  it.each(cases)('refuses %s', (_, bytes, message) => {
    const read = (): unknown => parseNpz(bytes, 'file').read('a');
    expect(read).toThrow(UsageError);
    expect(read).toThrow(message);
  });

  it('refuses two entries with the same name', () => {
    const two = npzBytes({ 'a.npy': array, 'b.npy': array });
    two[two.length - 22 - 5] = 'a'.charCodeAt(0);
    expect(() => parseNpz(two, 'file')).toThrow('two entries');
  });

  it('unpacks no more of a zip bomb than its directory says', () => {
    const bomb = npzBytes({ 'a.npy': new Uint8Array(64 * 2 ** 20) }, { isDeflated: true });
    bomb.set([200, 0, 0, 0], bomb.length - 22 - 46 - 5 + 24);
    const before = process.memoryUsage().arrayBuffers;
    expect(() => parseNpz(bomb, 'file').read('a')).toThrow('ERR_BUFFER_TOO_LARGE');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });
});
