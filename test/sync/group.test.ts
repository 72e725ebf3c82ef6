// The collectives between real threads, against closed forms over sizes, types and lengths.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { attachGroup, createGroupMemory } from '../../src/sync/group.ts';
import { WORLD_SIZES } from './closedForms.ts';
import { runRanks } from './threads.ts';

describe('allReduce', () => {
  for (const worldSize of WORLD_SIZES) {
    it(`meets its closed forms, with the same bits on all of ${worldSize} ranks`, async () => {
      const outcomes = await runRanks(worldSize, 'reductions', {
        memory: createGroupMemory(worldSize),
      });
      const first = outcomes[0]!.value as { wrong: string[]; hash: string };
      expect(first.wrong).toEqual([]);
      for (const outcome of outcomes) expect(outcome.value).toEqual(first);
    });
  }

  it('gives the same results with slots of any size', async () => {
    const values = [];
    for (const slotBytes of [1024, 4096, 1 << 20]) {
      const memory = createGroupMemory(2, { slotBytes });
      values.push((await runRanks(2, 'reductions', { memory }))[1]!.value);
    }
    expect(values[1]).toEqual(values[0]);
    expect(values[2]).toEqual(values[0]);
  });

  it('adds in rank order, float32 in float64, and wraps int32', async () => {
    const outcomes = await runRanks(4, 'order', { memory: createGroupMemory(4) });
    // (1e16 + 1) rounds to 1e16 in float64; the float32 sum is exact there.
    const sums = [1, 2, -4, 4 * 65_537, (4 * 65_536 + 1) | 0];
    for (const outcome of outcomes) expect(outcome.value).toEqual(sums);
  });

  it('refuses what it cannot reduce before any other member is touched', () => {
    const group = attachGroup(createGroupMemory(2), 0);
    expect(() => group.allReduce(new Uint8Array(3) as never, 'sum')).toThrow(UsageError);
    expect(() => group.allReduce(new Int32Array(3), 'mean')).toThrow(UsageError);
    expect(() => group.allReduce(new Float32Array(3), 'median' as never)).toThrow('sum, min, max');
  });
});

describe('broadcast and allGather', () => {
  for (const worldSize of WORLD_SIZES) {
    it(`copy exactly what their ranks gave, on ${worldSize} ranks`, async () => {
      const outcomes = await runRanks(worldSize, 'copies', {
        memory: createGroupMemory(worldSize),
      });
      expect(outcomes.map((o) => o.value)).toEqual(Array(worldSize).fill([]));
    });
  }

  it('refuse roots that do not exist and outputs that do not fit', () => {
    const group = attachGroup(createGroupMemory(2), 0);
    expect(() => group.broadcast(new Float32Array(3), 2)).toThrow(UsageError);
    expect(() => group.allGather(new Float32Array(3), new Float32Array(5))).toThrow(
      '2 times the length of the input, 6',
    );
    expect(() => group.allGather(new Float32Array(3), new Float64Array(6) as never)).toThrow(
      'the type of the input, float32',
    );
  });
});
