// The collectives that only move data. Short inputs are published in slots, ONE synchronization,
// and each member copies what it needs. Long inputs are read in place if they are in shared memory,
// and a second synchronization keeps their owners from changing them too early. Otherwise they go
// through the slots, piece by piece.

import type { NumberArray } from './arrays.ts';
import { callKey, copyCode, Kind, NO_ROOT } from './calls.ts';
import type { Channel } from './channel.ts';
import { checkCounts, checkPair, checkRoot, needArray } from './checks.ts';
import type { CallOptions } from './group.ts';
import { ALL_ENDS, EACH, type Ends } from './parts.ts';
import type { Place } from './places.ts';
import { blockRoom, eachPiece, type Rooted } from './reductions.ts';

export function broadcast<T extends NumberArray>(channel: Channel, array: T, to: Rooted): T {
  const { barrier, slotBytes } = channel;
  const { root, options } = to;
  const isRoot = barrier.rank === root;
  const place = channel.place('the array of broadcast', array);
  const { length } = array;
  const byteLength = length * place.elementBytes;
  checkRoot('broadcast', root, barrier.worldSize);
  channel.calls.begin(callKey(Kind.broadcast, copyCode(place), root), place, options);
  if (byteLength > channel.smallBytes) {
    channel.shareAddress(place);
    const ptr = channel.sharedPtr(root);
    if (ptr !== 0) {
      if (!isRoot) channel.copyOut(place, 0, length, ptr);
      barrier.pass();
      return array;
    }
  }
  const ends = { from: root, to: EACH };
  eachPiece(length, slotBytes / place.elementBytes, (from, count) => {
    if (isRoot) channel.copyIn(place, from, count, channel.ownSlotPtr);
    channel.passSlots(ends, count * place.elementBytes);
    if (!isRoot) channel.copyOut(place, from, count, channel.slotPtr(root));
    channel.turn();
  });
  return array;
}

export function allGather<T extends NumberArray>(
  channel: Channel,
  arrays: { readonly input: T; readonly output: T },
  options: CallOptions | undefined,
): T {
  const { input, output } = arrays;
  const { worldSize } = channel.barrier;
  const source = channel.place('the input of allGather', input);
  const { length } = input;
  const target = channel.place('the output of allGather', output);
  checkPair('allGather', ['input', source], ['output', target], worldSize * length);
  channel.calls.begin(callKey(Kind.allGather, copyCode(source), NO_ROOT), source, options);
  gatherBlocks(channel, source, target, evenly(length, ALL_ENDS));
  return output;
}

export function allGatherV<T extends NumberArray>(
  channel: Channel,
  arrays: { readonly input: T; readonly output: T },
  counts: readonly number[],
  options: CallOptions | undefined,
): T {
  const { input, output } = arrays;
  const { rank, worldSize } = channel.barrier;
  const source = channel.place('the input of allGatherV', input);
  const { length } = input;
  const target = channel.place('the output of allGatherV', output);
  const total = checkCounts(counts, worldSize, rank, length);
  checkPair('allGatherV', ['input', source], ['output', target], total);
  channel.calls.begin(callKey(Kind.allGatherV, copyCode(source), NO_ROOT), source, options);
  // Odd, since 0 means no mark.
  const mark = counts.reduce((hash, count) => (Math.imul(hash, 31) + count) | 0, 1) | 1;
  gatherBlocks(channel, source, target, {
    countOf: (other) => counts[other]!,
    mark,
    ends: ALL_ENDS,
  });
  return output;
}

export function gather<T extends NumberArray, Output extends T | null>(
  channel: Channel,
  arrays: { readonly input: T; readonly output: Output },
  to: Rooted,
): Output {
  const { input, output } = arrays;
  const { root, options } = to;
  const { rank, worldSize } = channel.barrier;
  checkRoot('gather', root, worldSize);
  const source = channel.place('the input of gather', input);
  const { length } = input;
  let target: Place | null = null;
  if (rank === root) {
    const given = needArray<T>('gather', 'output', output, root);
    target = channel.place('the output of gather', given);
    checkPair('gather', ['input', source], ['output', target], worldSize * length);
  }
  channel.calls.begin(callKey(Kind.gather, copyCode(source), root), source, options);
  gatherBlocks(channel, source, target, evenly(length, { from: EACH, to: root }));
  return output;
}

export function scatter<T extends NumberArray>(
  channel: Channel,
  arrays: { readonly input: T | null; readonly output: T },
  to: Rooted,
): T {
  const { input, output } = arrays;
  const { root, options } = to;
  const { barrier, slotBytes } = channel;
  const { rank, worldSize } = barrier;
  checkRoot('scatter', root, worldSize);
  const target = channel.place('the output of scatter', output);
  const { length, byteLength } = output;
  let source: Place | null = null;
  if (rank === root) {
    const given = needArray('scatter', 'input', input, root);
    source = channel.place('the input of scatter', given);
    checkPair('scatter', ['output', target], ['input', source], worldSize * length);
  }
  channel.calls.begin(callKey(Kind.scatter, copyCode(target), root), target, options);
  const size = target.elementBytes;
  if (worldSize * byteLength > channel.smallBytes) {
    // A rank without an input publishes its output's address, which is not used.
    channel.shareAddress(source ?? target);
    const ptr = channel.sharedPtr(root);
    if (ptr !== 0) {
      channel.copyOut(target, 0, length, ptr + rank * length * size);
      barrier.pass();
      return output;
    }
  }
  const room = blockRoom(slotBytes, worldSize, size);
  eachPiece(length, room, (from, count) => {
    for (let block = 0; source !== null && block < worldSize; block++) {
      const ptr = channel.ownSlotPtr + block * room * size;
      channel.copyIn(source, block * length + from, count, ptr);
    }
    channel.passBlocks(root, room * size, count * size);
    channel.copyOut(target, from, count, channel.slotPtr(root) + rank * room * size);
    channel.turn();
  });
  return output;
}

/** The number of elements that each rank contributes. */
interface Counts {
  readonly countOf: (rank: number) => number;
  /** A number that differs if counts differ; 0 if the lengths of the call are sufficient. */
  readonly mark: number;
  readonly ends: Ends;
}

function evenly(length: number, ends: Ends): Counts {
  return { countOf: () => length, mark: 0, ends };
}

/** Concatenates the inputs of all ranks in the output, unless it is null. */
function gatherBlocks(channel: Channel, input: Place, output: Place | null, counts: Counts): void {
  const { barrier, slotBytes } = channel;
  const { worldSize } = barrier;
  const { countOf, mark, ends } = counts;
  const size = input.elementBytes;
  let longest = 0;
  for (let rank = 0; rank < worldSize; rank++) longest = Math.max(longest, countOf(rank));
  if (longest * size > channel.smallBytes) {
    const isShared = channel.shareAddress(input, mark);
    if (mark !== 0) compareCounts(channel, counts);
    if (isShared) {
      let to = 0;
      for (let rank = 0; rank < worldSize; rank++) {
        const count = countOf(rank);
        if (output !== null) channel.copyOut(output, to, count, channel.sharedPtr(rank));
        to += count;
      }
      barrier.pass();
      return;
    }
  }
  const room = slotBytes / size;
  const leftOf = (count: number, from: number) => Math.min(room, Math.max(0, count - from));
  eachPiece(longest, room, (from, most) => {
    channel.copyIn(input, from, leftOf(input.array.length, from), channel.ownSlotPtr);
    channel.passSlots(ends, most * size, mark, (rank) => leftOf(countOf(rank), from) * size);
    if (mark !== 0) compareCounts(channel, counts);
    let to = 0;
    for (let rank = 0; rank < worldSize; rank++) {
      const left = leftOf(countOf(rank), from);
      if (output !== null) channel.copyOut(output, to + from, left, channel.slotPtr(rank));
      to += countOf(rank);
    }
    channel.turn();
  });
}

/** The barrier does not compare lengths that may differ, so each member compares them with what it
 * expects, and its counts with those of the others. */
function compareCounts({ barrier }: Channel, { countOf, mark }: Counts): void {
  const own = barrier.worldRankOf(barrier.rank);
  for (let rank = 0; rank < barrier.worldSize; rank++) {
    const given = barrier.lengthOf(rank);
    const other = barrier.worldRankOf(rank);
    if (given !== countOf(rank)) {
      throw barrier.fail(
        `members differ about counts: rank ${other} gives ${given} elements, ` +
          `rank ${own} expects ${countOf(rank)}.`,
      );
    }
    if (barrier.value2Of(rank) === mark) continue;
    throw barrier.fail(
      `members differ about counts: rank ${other} has different ones from rank ${own}.`,
    );
  }
}
