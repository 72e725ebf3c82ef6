import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { fileError } from '../../src/base/fileError.ts';
import { checkWritable, writeWhole } from '../../src/base/wholeFile.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-whole-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('writeWhole', () => {
  it('writes text and bytes over an existing file, and leaves nothing else', async () => {
    const path = join(folder, 'a');
    await writeWhole(path, 'a file', 'text');
    expect(readFileSync(path, 'utf8')).toBe('text');
    await writeWhole(path, 'a file', Uint8Array.of(1, 2));
    expect([...readFileSync(path)]).toEqual([1, 2]);
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('keeps the old file if it fails, and names it', async () => {
    mkdirSync(join(folder, 'b'));
    const written = writeWhole(join(folder, 'b'), 'report to write, b', 'text');
    await expect(written).rejects.toThrow(/^report to write, b: expected .*, got "EISDIR/);
    expect(readdirSync(folder)).toEqual(['b']);
    writeFileSync(join(folder, 'file'), '');
    await expect(writeWhole(join(folder, 'file', 'c'), 'c', '')).rejects.toThrow(/ENOTDIR/);
  });

  it('replaces the target of a link, whether or not it exists, and keeps the link', async () => {
    mkdirSync(join(folder, 'real'));
    writeFileSync(join(folder, 'real', 'old'), 'before');
    for (const name of ['old', 'new']) {
      const link = join(folder, `to-${name}`);
      symlinkSync(join('real', name), link);
      await writeWhole(link, 'x', 'after');
      expect(lstatSync(link).isSymbolicLink()).toBe(true);
      expect(readFileSync(join(folder, 'real', name), 'utf8')).toBe('after');
    }
    expect(readdirSync(join(folder, 'real'))).toEqual(['new', 'old']);
    symlinkSync('ring', join(folder, 'ring'));
    await expect(writeWhole(join(folder, 'ring'), 'x', '')).rejects.toThrow(/ELOOP/);
  });

  it('keeps the mode of the file that it replaces, even while it is written', async () => {
    const path = join(folder, 'a');
    writeFileSync(path, 'before');
    for (const mode of [0o600, 0o664]) {
      chmodSync(path, mode);
      let during = 0;
      await writeWhole(path, 'x', async (file) => {
        during = (await file.stat()).mode & 0o777;
      });
      expect([during, statSync(path).mode & 0o777]).toEqual([mode, mode]);
    }
  });

  it('writes to a device, or refuses it if the file must be readable', async () => {
    await writeWhole('/dev/null', 'x', 'text');
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
    const refused = writeWhole('/dev/null', 'x', 'text', { isRegular: true });
    await expect(refused).rejects.toThrow(/^x: .*regular file.*device/);
    await expect(checkWritable('/dev/null', 'x', { isRegular: true })).rejects.toThrow(UsageError);
  });

  it('refuses a pipe at once, even if nothing reads it', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    await expect(writeWhole(path, 'x', 'text')).rejects.toThrow(/^x: .*a pipe/);
    await expect(checkWritable(path, 'x')).rejects.toThrow(/^x: .*a pipe/);
    expect(lstatSync(path).isFIFO()).toBe(true);
  });

  it('writes to /dev/stdout, a pipe or a file, without losing earlier output', async () => {
    const entry = fileURLToPath(new URL('../../src/base/wholeFile.ts', import.meta.url));
    const outfile = join(folder, 'wholeFile.mjs');
    await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm' });
    const script = join(folder, 'say.mjs');
    writeFileSync(
      script,
      `import { writeSync } from 'node:fs';
import { writeWhole } from './wholeFile.mjs';
writeSync(1, 'first ');
await writeWhole('/dev/stdout', 'x', 'second');`,
    );
    const out = join(folder, 'out');
    for (const to of ['>', '| cat >']) {
      spawnSync('sh', ['-c', `"${process.execPath}" "${script}" ${to} "${out}"`]);
      expect(readFileSync(out, 'utf8')).toBe('first second');
    }
    // Node gives its children sockets, which cannot be opened by name: the error is reported, not
    // swallowed.
    const socket = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    expect(socket.stderr).toMatch(/UsageError: x: .*ENXIO/);
  });

  it('removes files left by killed processes, but not files being written', async () => {
    const path = join(folder, 'a');
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const left = (host: string, pid: number): string => {
      const name = `a.${host}-${pid}-0123abcd.tmp`;
      writeFileSync(join(folder, name), '');
      return name;
    };
    left(hostname(), dead);
    const mine = left(hostname(), process.pid);
    const kept = [mine, left(hostname(), process.ppid), left('another-host', dead)];
    writeFileSync(join(folder, 'a.mine.tmp'), '');
    await writeWhole(path, 'x', 'text');
    expect(readdirSync(folder).sort()).toEqual(['a', 'a.mine.tmp', ...kept].sort());
    // The number of this process, but from before it began.
    utimesSync(join(folder, mine), 0, 0);
    await checkWritable(path, 'x');
    expect(readdirSync(folder)).not.toContain(mine);
  });
});

describe('checkWritable', () => {
  it('refuses missing folders and folders in place of the file', async () => {
    await expect(checkWritable(join(folder, 'no', 'a'), 'a')).rejects.toThrow(UsageError);
    await expect(checkWritable(folder, 'a')).rejects.toThrow(/^a: expected .*, got "EISDIR/);
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
  it("turns the system's errors, and no others, into a UsageError", () => {
    const missing = Object.assign(new Error('ENOENT: x'), { code: 'ENOENT' });
    expect(fileError('f', missing, 'a file')).toBeInstanceOf(UsageError);
    const bug = new TypeError('x');
    expect(fileError('f', bug, 'a file')).toBe(bug);
  });
});
