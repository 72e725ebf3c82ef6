// The thread of one rank in the tests of sync: runs the scenario that it is told and posts how it
// ended.

import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { packError } from '../../src/runtime/thrown.ts';
import { abortRun } from '../../src/sync/abort.ts';
import { prepareCall } from '../../src/sync/call.ts';
import { NUMBER_TYPES, type NumberArray, REDUCE_OPS } from '../../src/sync/fold.ts';
import { attachGroup, attachMember, type GroupMemory } from '../../src/sync/group.ts';
import type { ControlWords } from '../../src/sync/words.ts';
import { inputOf, LENGTHS, makeArray, PERIOD, reducedOf } from './closedForms.ts';

export interface RankData {
  readonly scenario: Scenario;
  readonly rank: number;
  readonly memory: GroupMemory;
  /** Plain shared words, for what is not under test. */
  readonly cells: Int32Array;
  readonly rounds: number;
  readonly blocks: readonly ControlWords[];
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

  /** Differences from the closed forms, and a hash of all results. */
  reductions: ({ memory, rank }: RankData) => {
    const group = attachGroup(memory, rank);
    const hash = createHash('sha256');
    const wrong: string[] = [];
    for (const type of NUMBER_TYPES) {
      for (const op of REDUCE_OPS) {
        if (type === 'int32' && op === 'mean') continue;
        const inputs = makeArray(type, PERIOD).map((_: number, i: number) => inputOf(op, rank, i));
        const expected = makeArray(type, PERIOD).map((_: number, i: number) =>
          reducedOf(op, group.worldSize, i),
        );
        for (const length of LENGTHS) {
          const array = makeArray(type, length);
          for (let i = 0; i < length; i++) array[i] = inputs[i % PERIOD]!;
          const result = group.allReduce(array, op);
          if (result !== array) wrong.push(`${type} ${op} ${length}: another array`);
          for (let i = 0; i < length; i++) {
            const right = expected[i % PERIOD]!;
            if (!Object.is(array[i], right)) {
              wrong.push(`${type} ${op} ${length} [${i}]: ${array[i]} for ${right}`);
            }
          }
          hash.update(new Uint8Array(array.buffer));
        }
      }
    }
    return { wrong: wrong.slice(0, 10), hash: hash.digest('hex') };
  },

  /** Differences of broadcast and allGather from their closed forms. */
  copies: ({ memory, rank }: RankData) => {
    const group = attachGroup(memory, rank);
    const { worldSize } = group;
    const wrong: string[] = [];
    for (const type of NUMBER_TYPES) {
      for (const length of LENGTHS) {
        for (let root = 0; root < worldSize; root++) {
          const array = makeArray(type, length).fill(rank + 1);
          for (let i = 0; i < length; i++) array[i]! += i % 100;
          group.broadcast(array, root);
          const isWrong = array.some((value: number, i: number) => value !== root + 1 + (i % 100));
          if (isWrong) wrong.push(`broadcast ${type} ${length} root ${root}`);
        }
        const input = makeArray(type, length).map(
          (_: number, i: number) => rank * 1000 + (i % 100),
        );
        const output = group.allGather(input as NumberArray, makeArray(type, worldSize * length));
        for (let i = 0; i < output.length; i++) {
          const from = Math.floor(i / length);
          const expected = from * 1000 + ((i - from * length) % 100);
          if (output[i] !== expected) wrong.push(`allGather ${type} ${length} [${i}]`);
        }
      }
    }
    return wrong.slice(0, 10);
  },

  /** Sums whose value depends on their order. */
  order: ({ memory, rank }: RankData) => {
    const group = attachGroup(memory, rank);
    const wide = group.allReduce(new Float64Array([[1e16, 1, -1e16, 1][rank]!]), 'sum');
    const narrow = group.allReduce(new Float32Array([[1e8, 1, -1e8, 1][rank]!]), 'sum');
    const wrapped = group.allReduce(new Int32Array([2 ** 31 - 1, 65_537]), 'sum');
    const product = group.allReduce(new Int32Array([65_537]), 'prod');
    return [wide[0], narrow[0], ...wrapped, product[0]];
  },

  /** Rank 1 calls something else than the others. */
  mismatchedKind: ({ memory, rank }: RankData) => {
    const group = attachGroup(memory, rank);
    group.barrier();
    if (rank === 1) group.barrier('epoch 1');
    else group.allReduce(new Float32Array(7), 'sum');
  },
  mismatchedLength: ({ memory, rank }: RankData) => {
    attachGroup(memory, rank).allReduce(new Float64Array(rank === 1 ? 8 : 7), 'sum');
  },
  mismatchedType: ({ memory, rank }: RankData) => {
    const array = rank === 1 ? new Int32Array(7) : new Float64Array(7);
    attachGroup(memory, rank).allReduce(array, 'max');
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
    member.barrier();
    if (rank === member.worldSize - 1) member.finish();
    else member.barrier('after the end');
  },

  /** All arrive, and finish while slower ones may still be looking. */
  finishTogether: ({ memory, rank, rounds }: RankData) => {
    const member = attachMember(memory.words, rank);
    for (let i = 0; i < rounds; i++) member.barrier();
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
