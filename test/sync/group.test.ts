// The collectives between real threads, against closed forms over sizes, types, lengths and places.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { compileCollectiveKernels, instantiateCollectiveKernels } from '../../src/kernels/load.ts';
import { createGroupMemory, type GroupOptions } from '../../src/sync/memory.ts';
import { attachGroup } from '../../src/sync/split.ts';
import type { GroupStats } from '../../src/sync/stats.ts';
import { WORLD_SIZES } from '../support/ranks/closedForms.ts';
import type { Place } from '../support/ranks/gridScenarios.ts';
import { runRanks } from '../support/ranks/threads.ts';

interface Findings {
  readonly wrong: string[];
  readonly hash: string;
}

/** Runs a scenario of the grid and gives what each rank found. */
async function findings(
  worldSize: number,
  scenario: 'reductions' | 'copies',
  options: GroupOptions & { readonly place: Place },
): Promise<Findings[]> {
  const memory = createGroupMemory(worldSize, options);
  const outcomes = await runRanks(worldSize, scenario, { memory, place: options.place });
  return outcomes.map(({ value, error }) => {
    expect(error).toBeUndefined();
    return value as Findings;
  });
}

function lonelyGroup(worldSize: number) {
  const memory = createGroupMemory(worldSize, { sharedBytes: 1 << 20 });
  const kernels = instantiateCollectiveKernels(compileCollectiveKernels(), memory.memory);
  return attachGroup(memory, 0, kernels).group;
}

/** Many ranks have arrays of both kinds at once. */
function placesFor(worldSize: number): readonly Place[] {
  return worldSize < 8 ? ['private', 'shared', 'mixed'] : ['mixed'];
}

describe('allReduce, reduce, reduceScatter and exclusiveScan', () => {
  for (const worldSize of WORLD_SIZES) {
    for (const place of placesFor(worldSize)) {
      it(`match their closed forms on ${worldSize} ranks, arrays ${place}`, async () => {
        const found = await findings(worldSize, 'reductions', { place });
        expect(found[0]!.wrong).toEqual([]);
        for (const one of found) expect(one).toEqual(found[0]);
      });
    }
  }

  it('give the same bits with slots of any size', async () => {
    const found = [];
    for (const slotBytes of [1024, 4096, 1 << 20]) {
      found.push((await findings(2, 'reductions', { place: 'private', slotBytes }))[1]!);
    }
    expect(found[0]!.wrong).toEqual([]);
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
  });

  it('add in rank order, float32 in float64, and wrap whole numbers', async () => {
    const outcomes = await runRanks(4, 'order', { memory: createGroupMemory(4) });
    // (1e16 + 1) rounds to 1e16 in float64; the float32 sum is exact there.
    const sums = [1, 2, -4, 4 * 65_537, (4 * 65_536 + 1) | 0];
    for (const outcome of outcomes) expect(outcome.value).toEqual(sums);
  });

  it('refuse types that cannot be reduced before any other member is involved', () => {
    const group = lonelyGroup(2);
    expect(() => group.allReduce(new Int16Array(3) as never, 'sum')).toThrow(UsageError);
    expect(() => group.allReduce(new Int32Array(3), 'mean')).toThrow(UsageError);
    expect(() => group.reduce(new Float32Array(3), 'median' as never, 0)).toThrow('sum, min, max');
    expect(() => group.reduce(new Float32Array(3), 'sum', 2)).toThrow('from 0 to 1');
    expect(() => group.exclusiveScan(new Float32Array(3), 'mean')).toThrow('sum, min, max, prod');
    const float = new Float32Array(3);
    expect(() => group.reduceScatter(new Float32Array(7), float, 'sum')).toThrow('got 7');
    expect(() => group.reduceScatter(new Int32Array(6) as never, float, 'sum')).toThrow(
      'the type of the output, float32',
    );
  });
});

describe('broadcast, allGather, allGatherV, gather and scatter', () => {
  for (const worldSize of WORLD_SIZES) {
    for (const place of placesFor(worldSize)) {
      it(`copy the arrays of their ranks on ${worldSize} ranks, arrays ${place}`, async () => {
        const found = await findings(worldSize, 'copies', { place });
        for (const { wrong } of found) expect(wrong).toEqual([]);
      });
    }
  }

  it('work with small slots', async () => {
    const found = await findings(3, 'copies', { place: 'private', slotBytes: 128 });
    for (const { wrong } of found) expect(wrong).toEqual([]);
  });

  it('refuse roots that do not exist and arrays that do not fit', () => {
    const group = lonelyGroup(2);
    const three = new Float32Array(3);
    expect(() => group.broadcast(three, 2)).toThrow(UsageError);
    expect(() => group.allGather(three, new Float32Array(5))).toThrow('expected 6');
    expect(() => group.allGather(three, new Float64Array(6) as never)).toThrow(
      'the type of the input, float32',
    );
    expect(() => group.gather(three, null, 0)).toThrow('the output of gather on rank 0, its root');
    expect(() => group.scatter(null, three, 0)).toThrow('the input of scatter on rank 0, its root');
    expect(() => group.allGatherV(three, three, [3])).toThrow('number of counts');
    expect(() => group.allGatherV(three, three, [2, 1])).toThrow('the count of rank 0, 2');
    expect(() => group.allGatherV(three, three, [3, 4])).toThrow('expected 7');
  });

  it('end with an error that names both if members differ in their counts', async () => {
    const outcomes = await runRanks(3, 'mismatchedCounts', { memory: createGroupMemory(3) });
    for (const { error } of outcomes) {
      expect(error!.message).toMatch(
        /members differ about counts: rank (\d gives|\d has different ones)/,
      );
    }
  });
});

describe('split', () => {
  it('makes groups by color, ranked by key, that coexist and can be freed', async () => {
    const memory = createGroupMemory(5, { sharedBytes: 1 << 22 });
    const outcomes = await runRanks(5, 'split', { memory });
    // Sum of the ranks of one parity, place in the backwards group, size of the pair, how many come
    // before in the backwards group, largest rank of the parity.
    const expected = [0, 1, 2, 3, 4].map((rank) =>
      [rank % 2 === 0 ? 6 : 4, 4 - rank, rank < 2 ? 2 : 0, 4 - rank, rank % 2 === 0 ? 4 : 3].join(
        ' ',
      ),
    );
    expect(outcomes.map((o) => o.error)).toEqual(Array(5).fill(undefined));
    expect(outcomes.map((o) => (o.value as { found: string[] }).found)).toEqual(
      expected.map((line) => [line]),
    );
  });

  it('names the ranks of the world if a member of a split group does not arrive', async () => {
    const memory = createGroupMemory(4);
    const outcomes = await runRanks(4, 'lateInSplit', { memory, cells: sharedCells() });
    // Ranks 1 and 3 are a group in which 3 is missing; 0 and 2 wait for 1 and 3 in the world.
    const message = outcomes[1]!.error!.message;
    expect(message).toMatch(/allReduce of color 1\(sum, float64\) of length 1, call 1: .* 200 ms/);
    expect(message).toContain('Not arrived: rank 3. Meanwhile rank 3 runs');
    for (const rank of [0, 2]) {
      expect(outcomes[rank]!.error!.message).toContain('rank 1 aborted the run');
    }
  });

  it('refuses calls on a freed group, and frees only what was split', () => {
    const group = lonelyGroup(1);
    const other = group.split(0)!;
    other.free();
    expect(() => other.barrier()).toThrow('a call after free');
    expect(() => group.free()).toThrow("the world's group");
    expect(group.split(null)).toBeNull();
    expect(() => group.split(-1)).toThrow('the color of split');
  });
});

describe('allocate', () => {
  it('returns zeros in shared memory, and says what is left if there is too little', () => {
    const group = lonelyGroup(2);
    const array = group.allocate('float64', 1000);
    expect(array.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(array.byteOffset % 128).toBe(0);
    expect(array.every((value) => value === 0)).toBe(true);
    expect(() => group.allocate('uint8', 1 << 21)).toThrow(/at most \d+ bytes, .* sharedBytes/);
    expect(group.allocate('uint8', 1000).length).toBe(1000);
    expect(() => group.allocate('int16' as never, 3)).toThrow('float32, float64, int32, uint8');
  });
});

describe('stats', () => {
  it('count calls and bytes by call site and name the straggler', async () => {
    const outcomes = await runRanks(3, 'straggler', { memory: createGroupMemory(3) });
    const { sites, waitedMs, waitedForMs, calls } = outcomes[0]!.value as GroupStats;
    const loss = sites.find(({ call }) => call.includes('loss'))!;
    expect(loss).toMatchObject({
      call: 'allReduce(sum, float32) "loss"',
      calls: 10,
      bytes: 40,
      slowestRank: 2,
    });
    // Rank 2 comes 5 ms late ten times.
    expect(loss.waitedMs).toBeGreaterThan(40);
    expect(waitedMs).toBeGreaterThanOrEqual(loss.waitedMs);
    // Both others have waited for it.
    expect(waitedForMs[2]).toBeGreaterThan(80);
    expect(calls).toBe(21);
  });
});

function sharedCells(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}
