// A supervised run whose hosts change while it trains: it stops after a step, and continues on the
// hosts that the file now lists, with the same bits.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CLI, run, syncbn } from '../support/cli.ts';
import { LIBRARIES } from '../support/processes/mpirun.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-growth-'));
afterAll(() => rmSync(folder, { recursive: true }));

const DATA = ['--data', 'synthetic', '--limit', '2000', '--batch', '40', '--model', 'refnet'];
const TRAIN = ['train', ...DATA, '--norm', 'sync', '--epochs', '6', '--workers', '1', '--json'];

describe.each(LIBRARIES)('under $title', ({ library, isHere }) => {
  it.skipIf(!isHere)('a run continues with more processes at SIGUSR2', async () => {
    const hosts = join(folder, library.name);
    writeFileSync(hosts, 'localhost:1\n');
    let isAsked = false;
    const grown = await run(process.execPath, [CLI, ...TRAIN, '--hostfile', hosts], {
      env: { ...process.env, SYNCBN_MPIRUN: library.launcher },
      onLine: (line, child) => {
        if (isAsked || !line.includes('"event":"epoch"')) return;
        isAsked = true;
        writeFileSync(hosts, 'localhost slots=3\n');
        child.kill('SIGUSR2');
      },
    });
    expect(grown.stderr).toMatch(/continues on localhost:3\./);
    expect(grown.code).toBe(0);
    const starts = grown.events.filter(({ event }) => event === 'start');
    expect(starts.map(({ processes }) => processes)).toEqual([1, 3]);
    expect(starts[1]!.step).toBeGreaterThan(0);
    const alone = await syncbn(TRAIN);
    const [one, other] = [grown, alone].map(
      ({ events }) => events.find(({ event }) => event === 'done')?.weightsHash,
    );
    expect(one).toBe(other);
  });
});
