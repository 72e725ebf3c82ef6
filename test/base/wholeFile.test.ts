import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { checkWritable, fileError, writeWhole } from '../../src/base/wholeFile.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-whole-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('writeWhole', () => {
  it('writes text and bytes, over what was there, and leaves nothing else', async () => {
    const path = join(folder, 'a');
    await writeWhole(path, 'a file', 'text');
    expect(readFileSync(path, 'utf8')).toBe('text');
    await writeWhole(path, 'a file', Uint8Array.of(1, 2));
    expect([...readFileSync(path)]).toEqual([1, 2]);
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('keeps what was there when it fails, and names the file', async () => {
    mkdirSync(join(folder, 'b'));
    const written = writeWhole(join(folder, 'b'), 'report to write, b', 'text');
    await expect(written).rejects.toThrow(/^report to write, b: got "EISDIR/);
    expect(readdirSync(folder)).toEqual(['b']);
    writeFileSync(join(folder, 'file'), '');
    await expect(writeWhole(join(folder, 'file', 'c'), 'c', '')).rejects.toThrow(/ENOTDIR/);
  });
});

describe('checkWritable', () => {
  it('refuses missing folders and folders in the place of the file', async () => {
    await expect(checkWritable(join(folder, 'no', 'a'), 'a')).rejects.toThrow(UsageError);
    await expect(checkWritable(folder, 'a')).rejects.toThrow(/^a: got "EISDIR/);
  });

  it('changes and leaves nothing', async () => {
    const path = join(folder, 'a');
    await checkWritable(path, 'a');
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(path, 'kept');
    await checkWritable(path, 'a');
    expect(readFileSync(path, 'utf8')).toBe('kept');
  });
});

describe('fileError', () => {
  it("makes a UsageError of the system's errors and of no others", () => {
    const missing = Object.assign(new Error('ENOENT: x'), { code: 'ENOENT' });
    expect(fileError('f', missing, 'a file')).toBeInstanceOf(UsageError);
    const bug = new TypeError('x');
    expect(fileError('f', bug, 'a file')).toBe(bug);
  });
});
