// Scenarios of data under the scheduler: no slot and no array in shared memory is overwritten
// before all have read it, in the world's group and in groups that were split off and live side by
// side.

import { abortRun } from '../../../src/sync/abort.ts';
import type { Group } from '../../../src/sync/group.ts';
import { attachGroup } from '../../../src/sync/split.ts';
import { assert, assertThrows, type ModelContext, type ModelScenario } from './scenarios.ts';

export const ROUNDS = 4;
/** One value of a synchronization, a few elements, a full slot, more than one, several. */
const LENGTHS = [1, 5, 16, 21, 45];
const LONGEST = 45;
const KINDS = ['allReduce', 'broadcast', 'allGather', 'reduceScatter', 'exclusiveScan'];

/** The arrays of a rank: [shared][input or output]. */
type Arrays = readonly (readonly [Float64Array, Float64Array])[];

export function makeArrays(group: Group): Arrays {
  const size = LONGEST * group.worldSize;
  return [
    [new Float64Array(size), new Float64Array(size)],
    [group.allocate('float64', size), group.allocate('float64', size)],
  ];
}

/** What a rank contributes: different in each round, on each rank, at each index. */
function elementOf(round: number, rank: number, index: number): number {
  return (round * 8 + rank) * 1000 + index;
}

/** One collective of a drawn kind, length and place, checked against its closed form. */
export function collective(
  group: Group,
  arrays: Arrays,
  round: number,
  draw: ModelContext['draw'],
): void {
  const { rank, worldSize } = group;
  const kind = draw(KINDS.length);
  const length = LENGTHS[draw(LENGTHS.length)]!;
  const [from, to] = arrays[draw(2)]!;
  const root = draw(worldSize);
  const ranks = Array.from({ length: worldSize }, (_, other) => other);
  const sum = (index: number, count = worldSize) =>
    ranks.slice(0, count).reduce((total, other) => total + elementOf(round, other, index), 0);
  const fill = (count: number) => {
    const array = from.subarray(0, count);
    for (let i = 0; i < count; i++) array[i] = elementOf(round, rank, i);
    return array;
  };
  const calls: readonly (() => readonly [Float64Array, (index: number) => number])[] = [
    () => [group.allReduce(fill(length), 'sum'), (i) => sum(i)],
    () => [group.broadcast(fill(length), root), (i) => elementOf(round, root, i)],
    () => [
      group.allGather(fill(length), to.subarray(0, worldSize * length)),
      (i) => elementOf(round, Math.floor(i / length), i % length),
    ],
    () => [
      group.reduceScatter(fill(worldSize * length), to.subarray(0, length), 'sum'),
      (i) => sum(rank * length + i),
    ],
    () => [group.exclusiveScan(fill(length), 'sum'), (i) => sum(i, rank)],
  ];
  const [found, expected] = calls[kind]!();
  const what = `round ${round} of rank ${rank}: ${KINDS[kind]} of ${length}`;
  found.forEach((value, i) => {
    assert(value === expected(i), `${what} [${i}] is ${value}, not ${expected(i)}`);
  });
}

/** A value's worth of everybody, in a group whose members have these ranks in the world. */
function reduceIn(group: Group, worldRank: number, members: readonly number[]): void {
  const [found] = group.allReduce(new Float64Array([2 ** worldRank]), 'sum');
  const right = members.reduce((sum, member) => sum + 2 ** member, 0);
  assert(found === right, `the members ${members} of rank ${worldRank} have ${found}`);
}

function withColor(worldSize: number, color: number): number[] {
  return Array.from({ length: worldSize }, (_, rank) => rank).filter((rank) => rank % 2 === color);
}

export const dataScenarios = {
  /** Collectives of all kinds one after the other, on private and shared arrays. */
  collectives: ({ shared, rank, kernels, draw }: ModelContext) => {
    const { group } = attachGroup(shared, rank, kernels);
    const arrays = makeArrays(group);
    for (let round = 0; round < ROUNDS; round++) collective(group, arrays, round, draw);
  },

  /** The shortest calls, which go through the values of a synchronization. */
  values: ({ shared, rank, worldSize, kernels }: ModelContext) => {
    const { group } = attachGroup(shared, rank, kernels);
    const array = new Float64Array(1);
    for (let round = 0; round < ROUNDS; round++) {
      array[0] = elementOf(round, rank, 0);
      const right = (worldSize * (elementOf(round, 0, 0) + elementOf(round, worldSize - 1, 0))) / 2;
      assert(group.allReduce(array, 'sum')[0] === right, `${array[0]} is not ${right}`);
    }
  },

  /** Ranks call different collectives: no rank gets through. */
  different: ({ shared, rank, worldSize, kernels, draw }: ModelContext) => {
    const { group } = attachGroup(shared, rank, kernels);
    const arrays = makeArrays(group);
    const rounds = draw(3);
    const isOdd = rank === draw(worldSize);
    const way = draw(3);
    const length = LENGTHS[draw(LENGTHS.length)]!;
    const array = arrays[draw(2)]![0].subarray(0, length);
    assertThrows(/members called different collectives: rank \d .*; rank \d /, () => {
      for (let round = 0; round < rounds; round++) collective(group, arrays, round, draw);
      if (!isOdd) group.allReduce(array, 'sum');
      else if (way === 0) group.allReduce(array.subarray(0, length - 1), 'sum');
      else if (way === 1) group.allReduce(array, 'max');
      else group.broadcast(array, 0);
    });
  },

  /** Two ways to split the world, used in turns, given back and taken again. */
  splits: ({ shared, rank, worldSize, kernels }: ModelContext) => {
    const { group: world } = attachGroup(shared, rank, kernels);
    const all = Array.from({ length: worldSize }, (_, other) => other);
    for (let round = 0; round < 2; round++) {
      const color = (rank + round) % 2;
      const half = world.split(color)!;
      const back = world.split(0, -rank)!;
      assert(back.rank === worldSize - 1 - rank, `rank ${rank} is ${back.rank} from behind`);
      const members = withColor(worldSize, rank % 2);
      reduceIn(half, rank, members);
      reduceIn(back, rank, all);
      reduceIn(half, rank, members);
      half.free();
      reduceIn(back, rank, all);
      back.free();
    }
  },

  /** A group is made where another one was that some of its members have not left yet. */
  regroup: ({ shared, rank, worldSize, kernels }: ModelContext) => {
    const { group: world } = attachGroup(shared, rank, kernels);
    const members = withColor(worldSize, rank % 2);
    const neighbours = world.split(rank >> 1)!;
    const half = world.split(rank % 2)!;
    neighbours.free();
    const again = half.split(0)!;
    reduceIn(again, rank, members);
    again.free();
    reduceIn(half, rank, members);
  },

  /** The odd ranks wait for one of them in their own group, the even ones in theirs. It aborts
   * the run, finishes, or calls something else: every member is released. */
  splitsEnd: ({ shared, rank, worldSize, kernels, draw }: ModelContext) => {
    const { group: world, finish } = attachGroup(shared, rank, kernels);
    const victim = draw(2);
    const way = draw(3);
    const rounds = draw(3);
    const members = withColor(worldSize, rank % 2);
    const begin = () => {
      const half = world.split(rank % 2)!;
      for (let round = 0; round < rounds; round++) reduceIn(half, rank, members);
      return half;
    };
    if (rank !== victim) {
      const pattern = [
        `rank ${victim} aborted the run: it must`,
        `rank ${victim} has finished`,
        'members called different collectives',
      ][way]!;
      assertThrows(new RegExp(pattern), () => {
        begin().barrier({ label: 'half' });
        world.barrier();
      });
      return;
    }
    const half = begin();
    if (way === 0) {
      abortRun(shared.words, rank, 'it must');
    } else if (way === 1) {
      finish();
    } else {
      // In a group of one nobody differs, so the world's group finds out.
      const group = members.length > 1 ? half : world;
      assertThrows(/members called different/, () => group.allReduce(new Float64Array(1), 'sum'));
    }
  },
} satisfies Record<string, ModelScenario>;
