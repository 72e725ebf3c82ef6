// Makes groups: the world's, and those split off it. Each group has its own block in the shared
// memory of each process with members in it. The first of these members takes the block of a split
// group from the heap. Once all of them have freed it, it is reused for the next group of the same
// size.

import { checkInteger, UsageError } from '../base/errors.ts';
import { isAborted } from './abort.ts';
import { Barrier } from './barrier.ts';
import { Bridge } from './bridge.ts';
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
import {
  aloneWith,
  type LinkName,
  type Peers,
  packLink,
  processOf,
  ranksByProcess,
  unpackLink,
  WORLD_LINK,
} from './peers.ts';
import { allReduce, exclusiveScan, reduce, reduceScatter } from './reductions.ts';
import { bridgeBytesOf, inlineBytesOf, type Span } from './span.ts';
import { FREED_WORD, LINE_BYTES, LINKS_WORD, readWorldSize } from './words.ts';

/** The data that one thread's groups share. */
interface World {
  readonly shared: GroupMemory;
  readonly kernels: CollectiveKernels;
  readonly peers: Peers;
  /** Freed blocks, by their size. */
  readonly freed: Map<number, FreedBlock[]>;
  /** Links of freed groups in which this thread was the first member. */
  readonly freedLinks: LinkName[];
  /** The bridges of all groups in which this thread exchanges with other processes. */
  readonly bridges: Set<Bridge>;
}

interface FreedBlock {
  readonly ptr: number;
  /** The number of members in this process, all of which must have left it. */
  readonly members: number;
}

/** What a member knows about its group. */
interface Membership {
  readonly blockPtr: number;
  readonly rank: number;
  /** The world ranks of the members. */
  readonly worldRanks: readonly number[];
  /** A suffix for errors, such as ` of color 1`; empty for the world's group. */
  readonly where: string;
  /** Unused if all members are in this process. */
  readonly link: LinkName;
}

/** A thread in the world. */
export interface WorldMember {
  readonly group: Group;
  /** Signals that this thread makes no more calls. Members that wait for it get an error
   * immediately. */
  finish(): void;
}

/** Joins the world's group. `peers` are its processes; without them there is only this one. */
export function attachGroup(
  shared: GroupMemory,
  rank: number,
  kernels: CollectiveKernels,
  peers: Peers = aloneWith(readWorldSize(shared.words)),
): WorldMember {
  const world = {
    shared,
    kernels,
    peers,
    freed: new Map(),
    freedLinks: [],
    bridges: new Set<Bridge>(),
  };
  const worldSize = readWorldSize(shared.words);
  const worldRanks = Array.from({ length: worldSize }, (_, other) => other);
  return makeGroup(world, { blockPtr: 0, rank, worldRanks, where: '', link: WORLD_LINK });
}

/** The location of a group's members. */
function spanOf({ shared, peers }: World, worldRanks: readonly number[]): Span {
  const { process, workers } = peers;
  return { process, members: ranksByProcess(workers, worldRanks), slotBytes: shared.slotBytes };
}

function makeGroup(world: World, membership: Membership): WorldMember {
  const { shared, kernels } = world;
  const { blockPtr, rank, worldRanks, where } = membership;
  const { words, slotBytes, memory } = shared;
  const worldSize = worldRanks.length;
  const { waitsPtr } = blockAt(blockPtr, worldSize, slotBytes);
  const span = spanOf(world, worldRanks);
  const locals = localsOf(span);
  const barrier = new Barrier(words.subarray(blockPtr / 4), rank, {
    split: { world: words, worldRanks },
    waits: new Float64Array(memory.buffer, waitsPtr, worldSize * worldSize),
    locals,
  });
  const calls = new Calls(barrier, where);
  const isCrossing = locals.length < worldSize;
  const bridge =
    isCrossing && locals[0] === rank ? openBridge(world, membership, barrier) : undefined;
  const crossing = isCrossing ? { smallBytes: inlineBytesOf(span), bridge } : undefined;
  const channel = new Channel({ shared, blockPtr, calls, kernels, crossing });
  const barrierKey = callKey(Kind.barrier, NO_TYPE, NO_ROOT);
  const freeKey = callKey(Kind.free, NO_TYPE, NO_ROOT);
  const group: Group = {
    rank,
    worldSize,
    allocate: (type, length) => allocateShared(shared, type, length),
    barrier: (options) => {
      calls.begin(barrierKey, undefined, options);
      channel.pass();
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
      channel.pass();
      calls.close();
      free(world, membership, { span, bridge });
    },
    stats: () => barrier.counters.read(),
  };
  rememberMemory(group, memory);
  return { group, finish: () => finish(world, barrier) };
}

/** Opens the connection to a group's members in other processes. */
function openBridge(world: World, membership: Membership, barrier: Barrier): Bridge {
  const { shared, kernels, peers } = world;
  const { blockPtr, worldRanks, link } = membership;
  const transport = peers.open(link);
  const span = spanOf(world, worldRanks);
  const { names } = peers;
  const { copyBytes } = kernels;
  const bridge = new Bridge({ ...span, shared, blockPtr, barrier, copyBytes, transport, names });
  world.bridges.add(bridge);
  return bridge;
}

function finish({ shared, bridges }: World, barrier: Barrier): void {
  barrier.finish();
  // An aborted exchange may still be in progress.
  if (isAborted(shared.words)) return;
  for (const bridge of bridges) bridge.close();
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

/** Uses two synchronizations: for each member's color and key, then for the addresses of the new
 * blocks, one in each process, and the name of the group's link. */
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
  channel.pass(color, key);
  const members = Array.from({ length: worldSize }, (_, other) => other)
    .filter((other) => barrier.valueOf(other) === color)
    .sort((a, b) => barrier.value2Of(a) - barrier.value2Of(b) || a - b);
  const worldRanks = members.map((other) => membership.worldRanks[other]!);
  const span = spanOf(world, worldRanks);
  const locals = localsOf(span);
  const own = color === NO_COLOR ? -1 : members.indexOf(rank);
  const taken = own >= 0 && own === locals[0] ? takeBlock(world, span) : 0;
  const isOwner = own === 0 && locals.length < members.length;
  channel.pass(taken / LINE_BYTES, isOwner ? takeLink(world) : 0);
  if (color === NO_COLOR) return null;
  const lineOf = (process: number): number => {
    return barrier.valueOf(members[span.members[process]![0]!]!);
  };
  const full = span.members.findIndex(({ length }, process) => length > 0 && lineOf(process) === 0);
  if (full >= 0) {
    if (taken !== 0) giveBackUnused(world, taken, span);
    throw noRoomIn(world, full, members.length);
  }
  return makeGroup(world, {
    blockPtr: lineOf(span.process) * LINE_BYTES,
    rank: own,
    worldRanks,
    where: `${membership.where} of color ${color}`,
    link: unpackLink(processOf(world.peers.workers, worldRanks[0]!), barrier.value2Of(members[0]!)),
  }).group;
}

function localsOf({ process, members }: Span): readonly number[] {
  return members[process]!;
}

/** The size of a group's block in this process. */
function blockBytesOf({ shared, peers }: World, span: Span): number {
  const worldSize = span.members.reduce((sum, { length }) => sum + length, 0);
  const { endPtr } = blockAt(0, worldSize, shared.slotBytes);
  return span.members[peers.process]!.length < worldSize ? endPtr + bridgeBytesOf(span) : endPtr;
}

/** Takes a block for a group: a freed one that all members have left, or a new one. Returns 0 if
 * there is no space. */
function takeBlock(world: World, span: Span): number {
  const { shared, freed } = world;
  const sizeBytes = blockBytesOf(world, span);
  const unused = freed.get(sizeBytes) ?? [];
  const index = unused.findIndex(({ ptr, members }) => {
    return Atomics.load(shared.words, ptr / 4 + FREED_WORD) === members;
  });
  const worldSize = span.members.reduce((sum, { length }) => sum + length, 0);
  const ptr = index >= 0 ? unused.splice(index, 1)[0]!.ptr : takeBytes(shared, sizeBytes);
  if (ptr !== undefined) initBlock(shared, ptr, worldSize);
  return ptr ?? 0;
}

/** Keeps a block for the next group of the same size, once all members of this process have left
 * it. */
function giveBack(world: World, ptr: number, span: Span): void {
  const sizeBytes = blockBytesOf(world, span);
  const unused = world.freed.get(sizeBytes) ?? [];
  const members = localsOf(span).length;
  world.freed.set(sizeBytes, [...unused, { ptr, members }]);
}

/** The same for a block that was never used. */
function giveBackUnused(world: World, ptr: number, span: Span): void {
  Atomics.store(world.shared.words, ptr / 4 + FREED_WORD, localsOf(span).length);
  giveBack(world, ptr, span);
}

/** Frees a block after this member's last use of it. */
function free(
  world: World,
  { blockPtr, rank, link }: Membership,
  { span, bridge }: { readonly span: Span; readonly bridge: Bridge | undefined },
): void {
  if (bridge !== undefined) {
    bridge.close();
    world.bridges.delete(bridge);
    if (rank === 0) world.freedLinks.push(link);
  }
  Atomics.add(world.shared.words, blockPtr / 4 + FREED_WORD, 1);
  if (rank === localsOf(span)[0]) giveBack(world, blockPtr, span);
}

/** Takes a link number for a group in which this thread is the first member. */
function takeLink({ shared, peers, freedLinks }: World): number {
  const freed = freedLinks.pop();
  if (freed !== undefined) return packLink({ ...freed, generation: freed.generation + 1 });
  const index = Atomics.add(shared.words, LINKS_WORD, 1) + 1;
  if (index <= peers.mostLinks) return packLink({ index, generation: 0 });
  throw new UsageError({
    what: 'groups that cross processes and are not freed',
    given: index,
    allowed: `at most ${peers.mostLinks} with their first members in one process`,
    hint: 'free',
  });
}

/** The error of all members of a group if a process has no space for it. */
function noRoomIn({ shared, peers }: World, process: number, members: number): UsageError {
  const given = `a group of ${members} members`;
  if (process === peers.process) return noRoom(shared, given);
  return new UsageError({
    what: `the shared memory of ${peers.names[process]}`,
    problem: `has no space for ${given}`,
    hint: 'a larger sharedBytes in the options of launch',
  });
}
