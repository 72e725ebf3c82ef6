// Makes groups: the world's, and those that are split off it. Each group has a block of its own in
// the shared memory; that of a split group is taken from the heap by its first member and, once
// all members have freed it, used again for the next group of its size.

import { checkInteger, UsageError } from '../base/errors.ts';
import { Barrier } from './barrier.ts';
import { Calls, callKey, Kind, NO_ROOT, NO_TYPE } from './calls.ts';
import { Channel, type CollectiveKernels } from './channel.ts';
import { allGather, allGatherV, broadcast, gather, scatter } from './copies.ts';
import type { CallOptions, Group } from './group.ts';
import {
  allocateShared,
  blockAt,
  type GroupMemory,
  initBlock,
  noRoom,
  takeBytes,
} from './memory.ts';
import { rememberMemory } from './memoryOf.ts';
import { allReduce, exclusiveScan, reduce, reduceScatter } from './reductions.ts';
import { FREED_WORD, LINE_BYTES, readWorldSize } from './words.ts';

/** What one thread shares among its groups. */
interface World {
  readonly shared: GroupMemory;
  readonly kernels: CollectiveKernels;
  /** Addresses of freed blocks, by the size of their group. */
  readonly freed: Map<number, number[]>;
}

/** What a member knows of its group. */
interface Membership {
  readonly blockPtr: number;
  readonly rank: number;
  /** The members' ranks in the world. */
  readonly worldRanks: readonly number[];
  /** Such as ` of color 1`, for errors; empty for the world's group. */
  readonly where: string;
}

/** A thread in the world. */
export interface WorldMember {
  readonly group: Group;
  /** Says that this thread makes no more calls. Who waits for it then gets an error at once. */
  finish(): void;
}

/** Joins the world's group. */
export function attachGroup(
  shared: GroupMemory,
  rank: number,
  kernels: CollectiveKernels,
): WorldMember {
  const world = { shared, kernels, freed: new Map() };
  const worldSize = readWorldSize(shared.words);
  const worldRanks = Array.from({ length: worldSize }, (_, other) => other);
  return makeGroup(world, { blockPtr: 0, rank, worldRanks, where: '' });
}

function makeGroup(world: World, membership: Membership): WorldMember {
  const { shared, kernels } = world;
  const { blockPtr, rank, worldRanks, where } = membership;
  const { words, slotBytes, memory } = shared;
  const worldSize = worldRanks.length;
  const { waitsPtr } = blockAt(blockPtr, worldSize, slotBytes);
  const barrier = new Barrier(words.subarray(blockPtr / 4), rank, {
    split: { world: words, worldRanks },
    waits: new Float64Array(memory.buffer, waitsPtr, worldSize * worldSize),
  });
  const calls = new Calls(barrier, where);
  const channel = new Channel(shared, blockPtr, calls, kernels);
  const barrierKey = callKey(Kind.barrier, NO_TYPE, NO_ROOT);
  const freeKey = callKey(Kind.free, NO_TYPE, NO_ROOT);
  const group: Group = {
    rank,
    worldSize,
    allocate: (type, length) => allocateShared(shared, type, length),
    barrier: (options) => {
      calls.begin(barrierKey, undefined, options);
      barrier.pass();
    },
    broadcast: (array, root, options) => broadcast(channel, array, { root, options }),
    reduce: (array, op, root, options) => reduce(channel, array, op, { root, options }),
    allReduce: (array, op, options) => allReduce(channel, array, op, options),
    reduceScatter: (input, output, op, options) =>
      reduceScatter(channel, { input, output }, op, options),
    allGather: (input, output, options) => allGather(channel, { input, output }, options),
    allGatherV: (input, output, counts, options) =>
      allGatherV(channel, { input, output }, counts, options),
    scatter: (input, output, root, options) =>
      scatter(channel, { input, output }, { root, options }),
    gather: (input, output, root, options) => gather(channel, { input, output }, { root, options }),
    exclusiveScan: (array, op, options) => exclusiveScan(channel, array, op, options),
    split: (color, key = 0, options = undefined) =>
      splitGroup(world, { membership, channel }, { color, key, options }),
    free: () => {
      if (blockPtr === 0) throw new UsageError(WORLD_IS_NOT_FREED);
      calls.begin(freeKey, undefined, undefined);
      barrier.pass();
      calls.close();
      free(world, membership);
    },
    stats: () => barrier.counters.read(),
  };
  rememberMemory(group, memory);
  return { group, finish: () => barrier.finish() };
}

const WORLD_IS_NOT_FREED = {
  what: 'free',
  given: "the world's group",
  allowed: 'a group made by split',
};

/** The color that joins no group. */
const NO_COLOR = -1;

interface Wish {
  readonly color: number | null;
  readonly key: number;
  readonly options: CallOptions | undefined;
}

/** Two synchronizations: everybody's color and key, then the addresses of the new blocks. */
function splitGroup(
  world: World,
  parent: { readonly membership: Membership; readonly channel: Channel },
  wish: Wish,
): Group | null {
  const { membership, channel } = parent;
  const { barrier, calls } = channel;
  const { rank, worldSize } = barrier;
  const color = wish.color === null ? NO_COLOR : checkInteger('the color of split', wish.color, 0);
  const key = checkInteger('the key of split', wish.key, -(2 ** 31));
  calls.begin(callKey(Kind.split, NO_TYPE, NO_ROOT), undefined, wish.options);
  barrier.pass(color, key);
  const members = Array.from({ length: worldSize }, (_, other) => other)
    .filter((other) => barrier.valueOf(other) === color)
    .sort((a, b) => barrier.value2Of(a) - barrier.value2Of(b) || a - b);
  const first = members[0]!;
  const isFirst = color !== NO_COLOR && first === rank;
  barrier.pass(isFirst ? (takeBlock(world, members.length) ?? 0) / LINE_BYTES : 0);
  if (color === NO_COLOR) return null;
  const blockPtr = barrier.valueOf(first) * LINE_BYTES;
  if (blockPtr === 0) throw noRoom(world.shared, `a group of ${members.length} members`);
  return makeGroup(world, {
    blockPtr,
    rank: members.indexOf(rank),
    worldRanks: members.map((other) => membership.worldRanks[other]!),
    where: `${membership.where} of color ${color}`,
  }).group;
}

/** A block that is ready for a group: a freed one that nobody looks at any more, or a new one. */
function takeBlock({ shared, freed }: World, worldSize: number): number | undefined {
  const unused = freed.get(worldSize) ?? [];
  const index = unused.findIndex(
    (ptr) => Atomics.load(shared.words, ptr / 4 + FREED_WORD) === worldSize,
  );
  const { endPtr } = blockAt(0, worldSize, shared.slotBytes);
  const ptr = index >= 0 ? unused.splice(index, 1)[0] : takeBytes(shared, endPtr);
  if (ptr !== undefined) initBlock(shared, ptr, worldSize);
  return ptr;
}

/** After this member's last look at the block. */
function free({ shared, freed }: World, { blockPtr, rank, worldRanks }: Membership): void {
  Atomics.add(shared.words, blockPtr / 4 + FREED_WORD, 1);
  if (rank !== 0) return;
  const unused = freed.get(worldRanks.length) ?? [];
  freed.set(worldRanks.length, [...unused, blockPtr]);
}
