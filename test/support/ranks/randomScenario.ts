// Thousands of collectives in a random order: every rank draws the same calls, comes to each at a
// time of its own, on arrays of its own choice of place, and checks every result.

import {
  NUMBER_TYPES,
  type NumberArray,
  type NumberType,
  REDUCE_OPS,
  type ReduceOp,
} from '../../../src/sync/arrays.ts';
import type { CallOptions, Group } from '../../../src/sync/group.ts';
import { identityOf, inputOf, makeArray, PERIOD, reducedOf, viewOf } from './closedForms.ts';

/** Most are short; some need several pieces. */
const LENGTHS = [0, 1, 2, 7, 64, 500, 3000, 20_000];
const LARGEST = Math.max(...LENGTHS);
const LABELS = [undefined, 'a', 'b'];
/** One call in so many is awaited asleep. */
const LONG_DELAY = 97;
const MAX_SPIN_TURNS = 2000;
const MAX_REPORTED = 10;

/** A 32-bit generator (xorshift, Marsaglia 2003). */
function generator(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** What is called, the same on all ranks, and where its arrays come from. */
interface Drawn {
  readonly group: Group;
  readonly type: NumberType;
  readonly op: ReduceOp;
  readonly length: number;
  readonly root: number;
  readonly options: CallOptions | undefined;
  /** An array; those of number 1 and above do not overlap that of number 0. */
  get(length: number, index?: number): NumberArray;
  /** The element that a rank gives. */
  input(rank: number, index: number): number;
  reduced(ranks: number, index: number): number;
  compare(array: NumberArray, expected: (index: number) => number): void;
}

/** Each makes one call and compares what came out. */
const CALLS: Readonly<Record<string, (drawn: Drawn) => void>> = {
  barrier: ({ group, options }) => group.barrier(options),

  broadcast(drawn) {
    const { group, root, options, input, compare } = drawn;
    compare(group.broadcast(own(drawn), root, options), (i) => input(root, i));
  },

  reduce(drawn) {
    const { group, op, root, options, input, reduced, compare } = drawn;
    const array = group.reduce(own(drawn), op, root, options);
    const isRoot = group.rank === root;
    compare(array, (i) => (isRoot ? reduced(group.worldSize, i) : input(group.rank, i)));
  },

  allReduce(drawn) {
    const { group, op, options, reduced, compare } = drawn;
    compare(group.allReduce(own(drawn), op, options), (i) => reduced(group.worldSize, i));
  },

  exclusiveScan(drawn) {
    const { group, type, op, options, reduced, compare } = drawn;
    const array = group.exclusiveScan(own(drawn), op, options);
    const isFirst = group.rank === 0;
    compare(array, (i) => (isFirst ? identityOf(type, op) : reduced(group.rank, i)));
  },

  reduceScatter(drawn) {
    const { group, op, length, options, get, input, reduced, compare } = drawn;
    const { rank, worldSize } = group;
    const blocks = fill(get(worldSize * length, 1), (i) => input(rank, i));
    const output = group.reduceScatter(blocks, get(length), op, options);
    compare(output, (i) => reduced(worldSize, rank * length + i));
  },

  allGather(drawn) {
    const { group, length, options, get, input, compare } = drawn;
    const output = group.allGather(own(drawn), get(group.worldSize * length, 1), options);
    compare(output, (i) => input(Math.floor(i / length), i % length));
  },

  gather(drawn) {
    const { group, length, root, options, get, input, compare } = drawn;
    const output = group.rank === root ? get(group.worldSize * length, 1) : null;
    group.gather(own(drawn), output, root, options);
    if (output !== null) compare(output, (i) => input(Math.floor(i / length), i % length));
  },

  scatter(drawn) {
    const { group, length, root, options, get, input, compare } = drawn;
    const { rank, worldSize } = group;
    const blocks = rank === root ? get(worldSize * length, 1) : null;
    if (blocks !== null) fill(blocks, (i) => input(Math.floor(i / length), i % length));
    compare(group.scatter(blocks, get(length), root, options), (i) => input(rank, i));
  },

  allGatherV({ group, length, options, get, input, compare }) {
    const { rank, worldSize } = group;
    const counts = Array.from({ length: worldSize }, (_, other) => (other * length) >> 2);
    const given = fill(get(counts[rank]!), (i) => input(rank, i));
    const total = counts.reduce((sum, count) => sum + count, 0);
    const output = group.allGatherV(given, get(total, 1), counts, options);
    let from = 0;
    counts.forEach((count, other) => {
      compare(output.subarray(from, from + count), (i) => input(other, i));
      from += count;
    });
  },
};
const KINDS = Object.keys(CALLS);

function fill(array: NumberArray, value: (index: number) => number): NumberArray {
  for (let i = 0; i < array.length; i++) array[i] = value(i);
  return array;
}

/** This rank's array of the drawn length. */
function own({ group, length, get, input }: Drawn): NumberArray {
  return fill(get(length), (i) => input(group.rank, i));
}

/** Makes `count` calls and returns the mistakes. */
export function checkRandomCalls(group: Group, count: number, seed: number): string[] {
  const draw = generator(seed);
  const drawOwn = generator(seed * 1000 + group.rank + 1);
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  const shared = group.allocate('float64', (1 + group.worldSize) * LARGEST);
  const wrong: string[] = [];
  for (let call = 0; call < count && wrong.length < MAX_REPORTED; call++) {
    const kind = KINDS[draw(KINDS.length)]!;
    const type = NUMBER_TYPES[draw(NUMBER_TYPES.length)]!;
    const anyOp = REDUCE_OPS[draw(REDUCE_OPS.length)]!;
    const canMean = type.startsWith('float') && kind !== 'exclusiveScan';
    const op = anyOp === 'mean' && !canMean ? 'sum' : anyOp;
    const length = LENGTHS[draw(LENGTHS.length)]!;
    const root = draw(group.worldSize);
    const first = draw(PERIOD);
    const label = LABELS[draw(LABELS.length)];
    if (drawOwn(LONG_DELAY) === 0) Atomics.wait(nobody, 0, 0, 1);
    for (let turn = drawOwn(MAX_SPIN_TURNS); turn > 0; turn--) Atomics.load(nobody, 0);
    CALLS[kind]!({
      group,
      type,
      op,
      length,
      root,
      options: label === undefined ? undefined : { label },
      get: (size, index = 0) =>
        drawOwn(2) === 0
          ? makeArray(type, size)
          : viewOf(type, shared.buffer, shared.byteOffset + index * LARGEST * 8, size),
      input: (rank, index) => inputOf(type, op, rank, first + index),
      reduced: (ranks, index) => reducedOf(type, op, ranks, first + index),
      compare(array, expected) {
        const cell = makeArray(type, 1);
        for (let i = 0; i < array.length; i++) {
          cell[0] = expected(i);
          if (Object.is(array[i], cell[0])) continue;
          wrong.push(`call ${call}, ${kind} ${type} ${op} ${length} [${i}]: ${array[i]}`);
          return;
        }
      },
    });
  }
  return wrong;
}
