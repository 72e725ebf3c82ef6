// A killed process costs time but changes no bits: the supervisor restarts the others from the
// newest state in memory.

import { describe, expect, it } from 'vitest';
import { syncbn } from '../support/cli.ts';
import { supervised } from '../support/processes/killed.ts';
import { LIBRARIES } from '../support/processes/mpirun.ts';

const DATA = ['--data', 'synthetic', '--limit', '2000', '--batch', '40', '--model', 'refnet'];
const TRAIN = ['train', ...DATA, '--norm', 'sync', '--epochs', '4', '--workers', '1', '--json'];

const { library, isHere, title } = LIBRARIES[0]!;

describe(`under ${title}`, () => {
  it.skipIf(!isHere)('a killed process is replaced, and no bits change', async () => {
    const alone = await syncbn(TRAIN);
    let killed = 0;
    const args = [...TRAIN, '--processes', '2', '--max-restarts', '2'];
    const outcome = await supervised(library, args, (step, pids) => {
      if (killed > 0 || step < 60) return;
      killed = pids[pids.length - 1]!;
      process.kill(killed, 'SIGKILL');
    });
    expect(killed).toBeGreaterThan(0);
    expect(outcome.stderr).toMatch(/killed by signal 9; restart 1 of 2/);
    expect(outcome.code).toBe(0);
    const [start, again] = outcome.events.filter(({ event }) => event === 'start');
    expect(start).toMatchObject({ step: 0, processes: 2 });
    expect(again?.step).toBeGreaterThan(0);
    const hashes = [alone, outcome].map(({ events }) =>
      events.find(({ event }) => event === 'done'),
    );
    expect(hashes[1]?.weightsHash).toBe(hashes[0]?.weightsHash);
  });
});
