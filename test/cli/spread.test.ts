// The flags that spread a run over several processes.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Flags } from '../../src/cli/settings/flags.ts';
import { spreadFrom, withoutSpread } from '../../src/cli/settings/spreadFlags.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-spread-'));
afterAll(() => rmSync(folder, { recursive: true }));

const hostfile = (text: string): string => {
  const path = join(folder, 'hosts');
  writeFileSync(path, text);
  return path;
};

const read = (raw: Record<string, unknown>) => spreadFrom(new Flags(raw));

describe('where processes run', () => {
  it('is here by default', () => {
    expect(read({ epochs: '3' })).toBeUndefined();
    expect(read({ processes: '2' })).toMatchObject({ hosts: undefined, processes: 2 });
  });

  it('is set with a list or with a file', () => {
    const hosts = [
      { host: 'a', slots: 1 },
      { host: 'b', slots: 2 },
    ];
    expect(read({ nodes: 'a,b:2' })).toMatchObject({ hosts, processes: 3, maxRestarts: 0 });
    const file = hostfile('a  # the first\n\nb slots=2\n');
    expect(read({ hostfile: file, maxRestarts: '3' })).toMatchObject({ hosts, maxRestarts: 3 });
  });

  it.each([
    [{ nodes: 'a', processes: '2' }, /--processes and --nodes each say/],
    [{ nodes: 'a,b:0' }, /--nodes: expected names of hosts.*, got "b:0"/],
    [{ nodes: '' }, /--nodes requires a value/],
    [{ processes: '0' }, /--processes: expected/],
    [{ maxRestarts: '2' }, /--max-restarts is for a run of several processes/],
    [{ dryRun: true }, /--dry-run is for a run of several processes/],
    [{ hostfile: '/nowhere/hosts' }, /--hostfile \/nowhere\/hosts/],
  ])('is refused if it is ambiguous: %j', (raw, message) => {
    expect(() => read(raw)).toThrow(message);
  });

  it('is refused in a file without hosts', () => {
    expect(() => read({ hostfile: hostfile('# nobody\n') })).toThrow(/ names no host/);
  });
});

it('is not a flag of the processes themselves', () => {
  const words = ['train', '--processes', '2', '--epochs=3', '--nodes=a', '--dry-run', '--json'];
  expect(withoutSpread(words)).toEqual(['train', '--epochs=3', '--json']);
});
