import { expect, it } from 'vitest';
import { createGroupMemory } from '../../src/sync/memory.ts';
import { describeRandomCalls } from './randomCalls.ts';
import { runRanks } from './threads.ts';

describeRandomCalls(600);

it('mismatched calls of every kind end with an error that names both, every time', async () => {
  for (let round = 0; round < 18; round++) {
    const worldSize = 2 + (round % 3);
    const memory = createGroupMemory(worldSize);
    const outcomes = await runRanks(worldSize, 'mismatch', { memory, rounds: round });
    for (const { error } of outcomes) {
      expect(error?.message).toMatch(/members called different collectives: rank \d .*; rank \d /);
    }
  }
}, 120_000);
