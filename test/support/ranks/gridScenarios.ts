// What every rank does in the tests of collectives: calls each over all types, operations and
// lengths, on arrays in shared memory and on others, and compares with the closed forms.

import { createHash } from 'node:crypto';
import {
  NUMBER_TYPES,
  type NumberArray,
  type NumberType,
  REDUCE_OPS,
  type ReduceOp,
} from '../../../src/sync/arrays.ts';
import type { Group } from '../../../src/sync/group.ts';
import {
  identityOf,
  inputOf,
  LENGTHS,
  makeArray,
  PERIOD,
  reducedOf,
  viewOf,
} from './closedForms.ts';

const MAX_REPORTED = 10;

/** Where an array of a test lies. */
export type Place = 'private' | 'shared' | 'mixed';

/** The largest array that any of these tests needs at once. */
const LARGEST = 8 * Math.max(...LENGTHS);

/** Gives arrays of any type and length, again and again from the same memory. */
class Arrays {
  private readonly memory: NumberArray;

  constructor(group: Group, place: Place) {
    const isShared = place === 'shared' || (place === 'mixed' && group.rank % 2 === 0);
    this.memory = isShared
      ? group.allocate('uint8', 2 * 8 * LARGEST)
      : new Uint8Array(2 * 8 * LARGEST);
  }

  /** The first or second array; both may be in use at once. */
  get(type: NumberType, length: number, index = 0): NumberArray {
    const { buffer, byteOffset } = this.memory;
    return viewOf(type, buffer, byteOffset + index * 8 * LARGEST, length);
  }
}

/** Collects what is wrong, and hashes what came out. */
class Findings {
  private readonly wrong: string[] = [];
  private readonly hash = createHash('sha256');

  /** Compares a result with values that repeat after `pattern.length` indices, and remembers its
   * bits. */
  compare(what: string, result: NumberArray, pattern: NumberArray, first = 0): void {
    for (let i = 0; i < result.length; i++) {
      const right = pattern[(first + i) % pattern.length]!;
      if (!Object.is(result[i], right)) this.report(`${what} [${i}]: ${result[i]} for ${right}`);
    }
  }

  remember(result: NumberArray): void {
    this.hash.update(new Uint8Array(result.buffer, result.byteOffset, result.byteLength).slice());
  }

  report(text: string): void {
    if (this.wrong.length < MAX_REPORTED) this.wrong.push(text);
  }

  read(): { wrong: string[]; hash: string } {
    return { wrong: this.wrong, hash: this.hash.digest('hex') };
  }
}

function repeat(array: NumberArray, pattern: NumberArray, first = 0): NumberArray {
  for (let i = 0; i < array.length; i++) array[i] = pattern[(first + i) % pattern.length]!;
  return array;
}

function patternOf(type: NumberType, value: (index: number) => number): NumberArray {
  const pattern = makeArray(type, PERIOD);
  for (let i = 0; i < PERIOD; i++) pattern[i] = value(i);
  return pattern;
}

/** Calls back for each type, operation and length that is defined. */
function eachReduction(
  callback: (type: NumberType, op: ReduceOp, length: number, what: string) => void,
): void {
  for (const type of NUMBER_TYPES) {
    for (const op of REDUCE_OPS) {
      if (op === 'mean' && !type.startsWith('float')) continue;
      for (const length of LENGTHS) callback(type, op, length, `${type} ${op} ${length}`);
    }
  }
}

/** allReduce, reduce, reduceScatter and exclusiveScan. The hash is of allReduce's results. */
export function checkReductions(group: Group, place: Place) {
  const { rank, worldSize } = group;
  const arrays = new Arrays(group, place);
  const findings = new Findings();
  eachReduction((type, op, length, what) => {
    const input = patternOf(type, (i) => inputOf(type, op, rank, i));
    const reduced = patternOf(type, (i) => reducedOf(type, op, worldSize, i));
    const array = repeat(arrays.get(type, length), input);
    if (group.allReduce(array, op) !== array) findings.report(`allReduce ${what}: another array`);
    findings.compare(`allReduce ${what}`, array, reduced);
    findings.remember(array);

    const root = length % worldSize;
    group.reduce(repeat(array, input), op, root);
    findings.compare(`reduce ${what}`, array, rank === root ? reduced : input);

    if (op !== 'mean') {
      group.exclusiveScan(repeat(array, input), op);
      const below = patternOf(type, (i) =>
        rank === 0 ? identityOf(type, op) : reducedOf(type, op, rank, i),
      );
      findings.compare(`exclusiveScan ${what}`, array, below);
    }

    const blocks = repeat(arrays.get(type, worldSize * length), input);
    const output = group.reduceScatter(blocks, arrays.get(type, length, 1), op);
    findings.compare(`reduceScatter ${what}`, output, reduced, rank * length);
  });
  return findings.read();
}

/** broadcast, allGather, allGatherV, gather and scatter. */
export function checkCopies(group: Group, place: Place) {
  const { rank, worldSize } = group;
  const arrays = new Arrays(group, place);
  const findings = new Findings();
  const ranks = Array.from({ length: worldSize }, (_, other) => other);
  for (const type of NUMBER_TYPES) {
    const patterns = ranks.map((other) => patternOf(type, (i) => (other * 37 + i) % 251));
    for (const length of LENGTHS) {
      const what = `${type} ${length}`;
      const root = (length + 1) % worldSize;
      const array = repeat(arrays.get(type, length), patterns[rank]!);
      group.broadcast(array, root);
      findings.compare(`broadcast ${what}`, array, patterns[root]!);

      const input = repeat(arrays.get(type, length), patterns[rank]!);
      const gathered = arrays.get(type, worldSize * length, 1);
      const compareBlocks = (name: string) => {
        for (const other of ranks) {
          const block = gathered.subarray(other * length, (other + 1) * length);
          findings.compare(`${name} ${what} from ${other}`, block, patterns[other]!);
        }
      };
      group.allGather(input, gathered.fill(0));
      compareBlocks('allGather');
      group.gather(input, rank === root ? gathered.fill(0) : null, root);
      if (rank === root) compareBlocks('gather');

      const all = rank === root ? arrays.get(type, worldSize * length, 1) : null;
      if (all !== null) {
        for (const other of ranks) {
          repeat(all.subarray(other * length, (other + 1) * length), patterns[other]!);
        }
      }
      const block = group.scatter(all, arrays.get(type, length).fill(0), root);
      findings.compare(`scatter ${what}`, block, patterns[rank]!);

      // Rank r gives r times as much as rank 1; rank 0 gives nothing.
      const counts = ranks.map((other) => Math.floor((other * length) / worldSize));
      const own = repeat(arrays.get(type, counts[rank]!), patterns[rank]!);
      const total = counts.reduce((sum, count) => sum + count, 0);
      const uneven = group.allGatherV(own, arrays.get(type, total, 1).fill(0), counts);
      let from = 0;
      for (const other of ranks) {
        const part = uneven.subarray(from, from + counts[other]!);
        findings.compare(`allGatherV ${what} from ${other}`, part, patterns[other]!);
        from += counts[other]!;
      }
    }
  }
  return findings.read();
}
