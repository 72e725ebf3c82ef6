// Random collectives between real threads. SYNCBN_RANDOM_CALLS sets how many; 100000 take minutes.

import { expect, it } from 'vitest';
import { createGroupMemory } from '../../src/sync/memory.ts';
import { runRanks } from './threads.ts';

const COUNT = Number(process.env.SYNCBN_RANDOM_CALLS ?? 2000);
const SEEDS = [1, 2];

for (const seed of SEEDS) {
  it(`${COUNT} random calls on 5 ranks at random times are all right, seed ${seed}`, async () => {
    const memory = createGroupMemory(5);
    const rounds = COUNT / SEEDS.length;
    const outcomes = await runRanks(5, 'random', { memory, rounds, seed });
    expect(outcomes.map(({ error, value }) => error?.message ?? value)).toEqual(Array(5).fill([]));
  }, 1_800_000);
}

it('mismatched calls of every kind end with an error that names both, every time', async () => {
  for (let round = 0; round < 36; round++) {
    const worldSize = 2 + (round % 3);
    const memory = createGroupMemory(worldSize);
    const outcomes = await runRanks(worldSize, 'mismatch', { memory, rounds: round });
    for (const { error } of outcomes) {
      expect(error?.message).toMatch(/members called different collectives: rank \d .*; rank \d /);
    }
  }
}, 120_000);
