// What can be wrong with a file on disk, whatever its format.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { listFolder, readDataFile, showNames } from '../../src/data/formats/files.ts';
import { folderOf } from '../support/dataFiles.ts';

describe('readDataFile', () => {
  const wanted = (): number => 1000;

  it('returns plain files as they are and gzip files unpacked, whatever their names', async () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
    const dir = await folderOf({ plain: bytes, packed: gzipSync(bytes) });
    expect(await readDataFile(join(dir, 'plain'), wanted)).toEqual(bytes);
    expect(await readDataFile(join(dir, 'packed'), wanted)).toEqual(bytes);
  });

  it('returns no bytes for an empty file', async () => {
    const dir = await folderOf({ empty: new Uint8Array(0) });
    expect(await readDataFile(join(dir, 'empty'), wanted)).toHaveLength(0);
  });

  it('refuses missing files, folders and broken gzip, and names the file', async () => {
    const packed = gzipSync(new Uint8Array(1000));
    const dir = await folderOf({
      'cut.gz': packed.subarray(0, packed.length - 9),
      'wrong.gz': Uint8Array.of(0x1f, 0x8b, 1, 2, 3),
    });
    await mkdir(join(dir, 'folder'));
    for (const name of ['nothing', 'folder', 'cut.gz', 'wrong.gz']) {
      const error = await readDataFile(join(dir, name), wanted).catch((e: unknown) => e);
      expect(error, name).toBeInstanceOf(UsageError);
      expect((error as Error).message).toContain(join(dir, name));
    }
    await expect(readDataFile(join(dir, 'nothing'), wanted)).rejects.toThrow('ENOENT');
    await expect(readDataFile(join(dir, 'cut.gz'), wanted)).rejects.toThrow('truncated');
    await expect(readDataFile(join(dir, 'folder'), wanted)).rejects.toThrow('a regular file');
  });
});

describe('listFolder', () => {
  it('sorts the names and refuses anything but a folder', async () => {
    const dir = await folderOf({ b: new Uint8Array(1), a: new Uint8Array(1) });
    expect(await listFolder(dir)).toEqual(['a', 'b']);
    await expect(listFolder(join(dir, 'a'))).rejects.toThrow(UsageError);
    await expect(listFolder(join(dir, 'c'))).rejects.toThrow(UsageError);
  });
});

describe('showNames', () => {
  it('shows a dozen names and counts the rest', () => {
    const names = Array.from({ length: 15 }, (_, i) => `f${i}`);
    expect(showNames([])).toBe('nothing');
    expect(showNames(names.slice(0, 2))).toBe('f0, f1');
    expect(showNames(names)).toBe(`${names.slice(0, 12).join(', ')} and 3 more`);
  });
});
