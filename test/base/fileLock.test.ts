import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockFile } from '../../src/base/fileLock.ts';
import { bundle } from '../support/ranks/threads.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-lock-'));
  path = join(folder, 'a.lock');
});
afterEach(() => rm(folder, { recursive: true }));

const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;
const ownerText = (owner: object): string => JSON.stringify({ began: null, ...owner });
const host = hostname();

describe('a lock', () => {
  it('is refused to others, with its holder, until it is released', () => {
    const lock = lockFile(path, '--out x');
    expect(() => lockFile(path, '--out x')).toThrow(
      `--out x is in use by process ${process.pid} of host ${host}`,
    );
    lock.release();
    expect(existsSync(path)).toBe(false);
    lockFile(path, '--out x').release();
  });

  it.each([
    ['whose process is gone', () => ownerText({ host, pid: deadPid() })],
    [
      'whose process number is another process by now',
      () => ownerText({ host, pid: process.pid, began: '1' }),
    ],
  ])('%s does not count', (_, content) => {
    writeFileSync(path, content());
    const lock = lockFile(path, 'x');
    expect(JSON.parse(readFileSync(path, 'utf8')).pid).toBe(process.pid);
    lock.release();
  });

  it('of another host is respected, and the error says what to remove', () => {
    writeFileSync(path, ownerText({ host: 'elsewhere', pid: deadPid() }));
    expect(() => lockFile(path, 'x')).toThrow(/of host elsewhere.*remove .*a\.lock if/);
  });

  it('without content is respected while it is new', () => {
    writeFileSync(path, '');
    expect(() => lockFile(path, 'x')).toThrow(/in use by another process/);
    utimesSync(path, 1, 1);
    lockFile(path, 'x').release();
  });

  it('that another process has taken is not released', () => {
    const lock = lockFile(path, 'x');
    const other = ownerText({ host: 'elsewhere', pid: 1 });
    writeFileSync(path, other);
    lock.release();
    expect(readFileSync(path, 'utf8')).toBe(other);
  });

  it('is taken over even if a process was killed while taking it over', () => {
    writeFileSync(path, ownerText({ host, pid: deadPid() }));
    writeFileSync(`${path}.stale`, '');
    utimesSync(`${path}.stale`, 1, 1);
    lockFile(path, 'x').release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that is stale goes to only one of many competing processes', async () => {
    const file = await bundle('src/base/fileLock.ts', 'fileLock');
    const racer = join(folder, 'racer.mjs');
    // Reports that it is ready, waits for the start, tries, reports the result, waits for the end.
    writeFileSync(
      racer,
      `import { once } from 'node:events';
      const [module, path] = process.argv.slice(2);
      const { lockFile } = await import(module);
      console.log('ready');
      await once(process.stdin, 'data');
      try {
        lockFile(path, 'x');
        console.log('mine');
      } catch (error) {
        console.log(error.message.includes('in use') ? 'in use' : error);
      }
      await once(process.stdin, 'end');`,
    );
    writeFileSync(path, ownerText({ host, pid: deadPid() }));
    const args = [racer, pathToFileURL(file).href, path];
    const racers = Array.from({ length: 6 }, () => spawn(process.execPath, args));
    const lines = racers.map(({ stdout }) => stdout.setEncoding('utf8')[Symbol.asyncIterator]());
    const told = async () =>
      (await Promise.all(lines.map((line) => line.next()))).map(({ value }) => value);
    expect(await told()).toEqual(racers.map(() => 'ready\n'));
    for (const { stdin } of racers) stdin.write('go');
    const outcomes = await told();
    for (const { stdin } of racers) stdin.end();
    await Promise.all(racers.map((child) => once(child, 'close')));
    expect(outcomes.sort()).toEqual([...Array(5).fill('in use\n'), 'mine\n']);
  });
});
