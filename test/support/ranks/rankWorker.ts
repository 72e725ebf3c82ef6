// The thread of one rank in the tests of sync: runs the given scenario and posts how it ended.

import { parentPort, workerData } from 'node:worker_threads';
import { instantiateCollectiveKernels } from '../../../src/kernels/load.ts';
import { packError } from '../../../src/runtime/thrown.ts';
import { abortRun } from '../../../src/sync/abort.ts';
import { prepareCall } from '../../../src/sync/call.ts';
import { attachMember, type Group } from '../../../src/sync/group.ts';
import type { GroupMemory } from '../../../src/sync/memory.ts';
import { attachGroup } from '../../../src/sync/split.ts';
import type { ControlWords } from '../../../src/sync/words.ts';
import { checkCopies, checkReductions, type Place } from './gridScenarios.ts';
import { checkRandomCalls } from './randomScenario.ts';

export interface RankData {
  readonly scenario: Scenario;
  readonly rank: number;
  readonly memory: GroupMemory;
  readonly kernels: WebAssembly.Module;
  readonly place: Place;
  /** Plain shared words, for what is not under test. */
  readonly cells: Int32Array;
  readonly rounds: number;
  readonly seed: number;
  readonly blocks: readonly ControlWords[];
}

const BARRIER = prepareCall({ kind: 'barrier' });

function groupOf(data: Pick<RankData, 'memory' | 'rank' | 'kernels'>): Group {
  const kernels = instantiateCollectiveKernels(data.kernels, data.memory.memory);
  return attachGroup(data.memory, data.rank, kernels).group;
}

const LAYER_NAMES = ['0.conv2d', '1.batchNorm'];

const scenarios = {
  /** Counts the rounds in which a rank came out of the barrier before another one had come in. */
  rounds: ({ memory, rank, cells, rounds }: RankData) => {
    const member = attachMember(memory.words, rank);
    const calls = [prepareCall({ kind: 'even' }), prepareCall({ kind: 'odd', length: 3 })];
    let violations = 0;
    for (let round = 1; round <= rounds; round++) {
      // Ranks come in different orders in different rounds.
      for (let i = 0; i < ((round * 7 + rank * 13) % 5) * 100; i++) Atomics.load(cells, rank);
      cells[rank] = round;
      member.sync(calls[round & 1]!);
      for (const cell of cells) if (cell < round || cell > round + 1) violations++;
    }
    return violations;
  },

  /** The times of barriers in nanoseconds. */
  latency: ({ memory, rank, rounds }: RankData) => {
    const member = attachMember(memory.words, rank);
    const call = prepareCall({ kind: 'barrier' });
    const batch = 10;
    const times = new Float64Array(rounds);
    for (let i = 0; i < 2000; i++) member.sync(call);
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      for (let i = 0; i < batch; i++) member.sync(call);
      times[round] = ((performance.now() - start) * 1e6) / batch;
    }
    return times.sort();
  },

  reductions: (data: RankData) => checkReductions(groupOf(data), data.place),
  copies: (data: RankData) => checkCopies(groupOf(data), data.place),

  random: (data: RankData) => checkRandomCalls(groupOf(data), data.rounds, data.seed),

  /** After some equal calls one rank makes a different call. */
  mismatch: (data: RankData) => {
    const group = groupOf(data);
    const { rounds, rank } = data;
    const large = 5000;
    const calls: (() => unknown)[] = [
      () => group.barrier(),
      () => group.barrier({ label: 'epoch' }),
      () => group.allReduce(new Float32Array(7), 'sum'),
      () => group.allReduce(new Float64Array(7), 'sum'),
      () => group.allReduce(new Float64Array(7), 'max'),
      () => group.allReduce(new Float64Array(8), 'max'),
      () => group.allReduce(group.allocate('float64', large), 'max'),
      () => group.exclusiveScan(new Float64Array(8), 'max'),
      () => group.broadcast(new Uint8Array(large), 0),
      () => group.broadcast(new Uint8Array(large), 1),
      () => group.reduce(new Int32Array(3), 'prod', 0),
      () => group.allGather(new Int32Array(1), new Int32Array(group.worldSize)),
      () => group.split(0),
    ];
    for (let i = 0; i < rounds; i++) calls[i % calls.length]!();
    const usual = rounds % calls.length;
    const shift = 1 + (Math.floor(rounds / 3) % (calls.length - 1));
    const odd = rounds % group.worldSize;
    calls[rank === odd ? (usual + shift) % calls.length : usual]!();
    group.barrier({ label: 'never passed' });
  },

  /** Two ways to split, alive at once and used in turns, then freed and split again. */
  split: (data: RankData) => {
    const world = groupOf(data);
    const { rank } = world;
    const found: unknown[] = [];
    for (let round = 0; round < 20; round++) {
      const parity = world.split(rank % 2)!;
      const backwards = world.split(0, -rank)!;
      const few = world.split(rank < 2 ? 5 : null);
      const own = new Float64Array([rank]);
      const sums = [parity.allReduce(own.slice(), 'sum')[0], backwards.rank, few?.worldSize ?? 0];
      sums.push(backwards.exclusiveScan(new Int32Array([1]), 'sum')[0]!);
      const inner = parity.split(0);
      sums.push(inner!.allReduce(own.slice(), 'max')[0]!);
      inner!.free();
      parity.free();
      backwards.free();
      few?.free();
      found.push(sums.join(' '));
    }
    return { found: [...new Set(found)], calls: world.stats().calls };
  },

  /** Sums whose value depends on their order. */
  order: ({ memory, rank, kernels }: RankData) => {
    const group = groupOf({ memory, rank, kernels });
    const wide = group.allReduce(new Float64Array([[1e16, 1, -1e16, 1][rank]!]), 'sum');
    const narrow = group.allReduce(new Float32Array([[1e8, 1, -1e8, 1][rank]!]), 'sum');
    const wrapped = group.allReduce(new Int32Array([2 ** 31 - 1, 65_537]), 'sum');
    const product = group.allReduce(new Int32Array([65_537]), 'prod');
    return [wide[0], narrow[0], ...wrapped, product[0]];
  },

  /** Rank 1 makes a different call. */
  mismatchedKind: ({ memory, rank, kernels }: RankData) => {
    const group = groupOf({ memory, rank, kernels });
    group.barrier();
    if (rank === 1) group.barrier({ label: 'epoch 1' });
    else group.allReduce(new Float32Array(7), 'sum');
  },
  mismatchedLength: ({ memory, rank, kernels }: RankData) => {
    groupOf({ memory, rank, kernels }).allReduce(new Float64Array(rank === 1 ? 8 : 7), 'sum');
  },
  mismatchedType: ({ memory, rank, kernels }: RankData) => {
    const array = rank === 1 ? new Int32Array(7) : new Float64Array(7);
    groupOf({ memory, rank, kernels }).allReduce(array, 'max');
  },

  /** Rank 1 provides less than the others expect. */
  mismatchedCounts: ({ memory, rank, kernels }: RankData) => {
    const counts = rank === 1 ? [3, 2, 3] : [3, 3, 3];
    const input = new Float32Array(counts[rank]!);
    const output = new Float32Array(rank === 1 ? 8 : 9);
    groupOf({ memory, rank, kernels }).allGatherV(input, output, counts);
  },

  /** The odd ranks are a group of which the last one does not come. */
  lateInSplit: (data: RankData) => {
    const world = groupOf(data);
    const group = world.split(data.rank % 2)!;
    if (data.rank === 3) Atomics.wait(data.cells, 0, 0, 1500);
    else if (data.rank === 1) group.allReduce(new Float64Array(1), 'sum', { timeoutMs: 200 });
    else world.barrier({ label: 'all', timeoutMs: 60_000 });
  },

  /** The last rank comes late to one of two calls, ten times. */
  straggler: (data: RankData) => {
    const group = groupOf(data);
    const nobody = new Int32Array(new SharedArrayBuffer(4));
    for (let round = 0; round < 10; round++) {
      group.barrier();
      if (data.rank === group.worldSize - 1) Atomics.wait(nobody, 0, 0, 5);
      group.allReduce(new Float32Array(1), 'sum', { label: 'loss' });
    }
    group.barrier({ label: 'end' });
    return group.stats();
  },

  /** The last rank never calls; the others are in step 3, layer 1. */
  late: ({ memory, rank, cells }: RankData) => {
    const member = attachMember(memory.words, rank, LAYER_NAMES);
    member.setPosition(3, 1);
    if (rank === member.worldSize - 1) Atomics.wait(cells, 0, 0);
    else member.sync(prepareCall({ kind: 'moments', label: '1.batchNorm', length: 33 }));
  },

  /** The last rank finishes instead of calling. */
  finished: ({ memory, rank }: RankData) => {
    const member = attachMember(memory.words, rank);
    member.sync(BARRIER);
    if (rank === member.worldSize - 1) member.finish();
    else member.sync(prepareCall({ kind: 'after the end' }));
  },

  /** All arrive, and finish while slower ones may still be looking. */
  finishTogether: ({ memory, rank, rounds }: RankData) => {
    const member = attachMember(memory.words, rank);
    for (let i = 0; i < rounds; i++) member.sync(BARRIER);
    member.finish();
  },

  /** Rank 0 waits on one block of words after the other; rank 1 breaks each off at an odd moment.
   * Gives how many of rank 0's errors tell another reason. */
  abortRace: ({ blocks, rank }: RankData) => {
    const call = prepareCall({ kind: 'barrier' });
    let strange = 0;
    blocks.forEach((words, round) => {
      if (rank === 1) {
        while (Atomics.load(words, words.length - 1) === 0);
        for (let i = 0; i < (round * 37) % 1000; i++) Atomics.load(words, 0);
        abortRun(words, 1, `round ${round}`);
        return;
      }
      Atomics.store(words, words.length - 1, 1);
      try {
        attachMember(words, rank).sync(call);
        strange++;
      } catch (error) {
        if (!String(error).includes(`round ${round}`)) strange++;
      }
    });
    return strange;
  },

  /** In which round each rank learns that main has asked to stop. */
  stop: ({ memory, rank, cells }: RankData) => {
    const member = attachMember(memory.words, rank);
    const call = prepareCall({ kind: 'step end' });
    for (let round = 1; ; round++) {
      if (rank === 0) Atomics.store(cells, 0, round);
      if (member.syncStop(call)) return round;
    }
  },
};

export type Scenario = keyof typeof scenarios;

const data: RankData = workerData;
const ended = () => ({ atMs: performance.timeOrigin + performance.now() });
try {
  const value = scenarios[data.scenario](data);
  parentPort!.postMessage({ value, ...ended() });
} catch (error) {
  parentPort!.postMessage({ thrown: packError(error), ...ended() });
}
