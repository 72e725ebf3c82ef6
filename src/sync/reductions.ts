// The collectives that compute. Short arrays are published in slots, ONE synchronization, and each
// member folds what it needs. Long ones are used in place if all are in shared memory: their
// addresses are published, each member folds its slice of all of them, and a second synchronization
// keeps every member from changing what others still read. Otherwise they go through the slots,
// piece by piece. The path depends only on sizes and places, so all members take the same one, and
// all paths give the same bits.

import { type NumberArray, type ReduceOp, reductionCode } from './arrays.ts';
import { callKey, Kind, NO_ROOT } from './calls.ts';
import { type Channel, type FoldTargets, VALUE_BYTES } from './channel.ts';
import { checkPair, checkRoot, checkScan } from './checks.ts';
import type { CallOptions } from './group.ts';
import { EACH } from './parts.ts';
import type { Place } from './places.ts';
import { LINE_BYTES } from './words.ts';

export function allReduce<T extends NumberArray>(
  channel: Channel,
  array: T,
  op: ReduceOp,
  options: CallOptions | undefined,
): T {
  const place = channel.place('the array of allReduce', array);
  const code = reductionCode('allReduce', place.typeCode, op);
  const { barrier } = channel;
  const { worldSize } = barrier;
  const { length } = array;
  const byteLength = length * place.elementBytes;
  channel.calls.begin(callKey(Kind.allReduce, code, NO_ROOT), place, options);
  if (byteLength <= VALUE_BYTES) {
    const tablePtr = channel.publishValue(place);
    channel.foldWhole(code, tablePtr, worldSize, place);
  } else if (byteLength <= channel.smallBytes) {
    channel.publish(place);
    channel.foldPublished(code, worldSize, place);
  } else if (channel.shareAddress(place)) {
    const tablePtr = channel.sourcesPtr;
    channel.foldSlice(code, tablePtr, { tablePtr, count: worldSize }, length);
    barrier.pass();
  } else {
    eachStagedPiece(channel, place, (from, count) => {
      const tablePtr = channel.slotsPtr();
      if (channel.isCrossing) {
        channel.foldSlice(code, tablePtr, ownSlotOf(channel), count);
        channel.collectSlices(place, from, count);
        return;
      }
      channel.foldSlice(code, tablePtr, { tablePtr, count: worldSize }, count);
      barrier.pass();
      channel.copyOut(place, from, count, channel.ownSlotPtr);
    });
  }
  return array;
}

export function reduce<T extends NumberArray>(
  channel: Channel,
  array: T,
  op: ReduceOp,
  to: Rooted,
): T {
  const place = channel.place('the array of reduce', array);
  const code = reductionCode('reduce', place.typeCode, op);
  const { barrier } = channel;
  const { rank, worldSize } = barrier;
  const { root, options } = to;
  const { length } = array;
  const byteLength = length * place.elementBytes;
  checkRoot('reduce', root, worldSize);
  channel.calls.begin(callKey(Kind.reduce, code, root), place, options);
  const targets = { tablePtr: channel.targetsPtr, count: 1 };
  if (byteLength <= channel.smallBytes) {
    channel.publish(place, { from: EACH, to: root });
    if (rank === root) channel.foldPublished(code, worldSize, place);
    else channel.turn();
  } else if (channel.shareAddress(place)) {
    channel.setTarget(channel.sharedPtr(root));
    channel.foldSlice(code, channel.sourcesPtr, targets, length);
    barrier.pass();
  } else {
    eachStagedPiece(channel, place, (from, count) => {
      if (channel.isCrossing) {
        channel.foldSlice(code, channel.slotsPtr(), ownSlotOf(channel), count);
        channel.collectSlices(place, from, count, root);
        return;
      }
      channel.setTarget(channel.slotPtr(root));
      channel.foldSlice(code, channel.slotsPtr(), targets, count);
      barrier.pass();
      if (rank === root) channel.copyOut(place, from, count, channel.ownSlotPtr);
    });
  }
  return array;
}

/** The root of a collective, and the options of the call. */
export interface Rooted {
  readonly root: number;
  readonly options: CallOptions | undefined;
}

export function reduceScatter<T extends NumberArray>(
  channel: Channel,
  arrays: { readonly input: T; readonly output: T },
  op: ReduceOp,
  options: CallOptions | undefined,
): T {
  const { input, output } = arrays;
  const { barrier, slotBytes } = channel;
  const { rank, worldSize } = barrier;
  const source = channel.place('the input of reduceScatter', input);
  const target = channel.place('the output of reduceScatter', output);
  const code = reductionCode('reduceScatter', target.typeCode, op);
  checkPair('reduceScatter', ['output', target], ['input', source], worldSize * output.length);
  const { length } = output;
  const size = target.elementBytes;
  channel.calls.begin(callKey(Kind.reduceScatter, code, NO_ROOT), target, options);
  if (input.byteLength > channel.smallBytes && channel.shareAddress(source)) {
    const tablePtr = channel.sourcesPtr;
    const offsetBytes = rank * length * size;
    channel.foldInto({ code, tablePtr, sources: worldSize, offsetBytes }, target, 0, length);
    barrier.pass();
    return output;
  }
  // A slot holds a piece of each block.
  const room = blockRoom(slotBytes, worldSize, size);
  eachPiece(length, room, (from, count) => {
    for (let block = 0; block < worldSize; block++) {
      const ptr = channel.ownSlotPtr + block * room * size;
      channel.copyIn(source, block * length + from, count, ptr);
    }
    channel.passBlocks(EACH, room * size, count * size);
    const offsetBytes = rank * room * size;
    const blocks = { code, tablePtr: channel.slotsPtr(), sources: worldSize, offsetBytes };
    channel.foldInto(blocks, target, from, count);
    channel.turn();
  });
  return output;
}

export function exclusiveScan<T extends NumberArray>(
  channel: Channel,
  array: T,
  op: ReduceOp,
  options: CallOptions | undefined,
): T {
  const place = channel.place('the array of exclusiveScan', array);
  const code = reductionCode('exclusiveScan', place.typeCode, op);
  checkScan(op);
  const { barrier } = channel;
  const { rank } = barrier;
  const { length } = array;
  const byteLength = length * place.elementBytes;
  channel.calls.begin(callKey(Kind.exclusiveScan, code, NO_ROOT), place, options);
  if (byteLength <= channel.smallBytes) {
    channel.publish(place);
    if (rank > 0) {
      channel.foldPublished(code, rank, place);
    } else {
      array.fill(identityOf(array, op));
      channel.turn();
    }
  } else if (channel.shareAddress(place)) {
    channel.scanSlice(code, channel.sourcesPtr, length);
    barrier.pass();
  } else {
    eachStagedPiece(channel, place, (from, count) => {
      channel.scanSlice(code, channel.slotsPtr(), count);
      channel.passScanned(place, count);
      channel.copyOut(place, from, count, channel.ownSlotPtr);
    });
  }
  return array;
}

/** The number of elements of each of worldSize blocks that fit into a slot. Each piece begins at a
 * line. */
export function blockRoom(slotBytes: number, worldSize: number, elementBytes: number): number {
  const lineElements = LINE_BYTES / elementBytes;
  const room = Math.floor(slotBytes / worldSize / elementBytes / lineElements) * lineElements;
  return room > 0 ? room : Math.floor(slotBytes / worldSize / elementBytes);
}

/** Calls back for each piece of an array, or once if it is empty, so that this call is still
 * compared with the others'. */
export function eachPiece(
  length: number,
  room: number,
  callback: (from: number, count: number) => void,
): void {
  let from = 0;
  do {
    const count = Math.min(room, length - from);
    callback(from, count);
    from += count;
  } while (from < length);
}

/** This member's slot. No other member reads the part with this member's slice. */
function ownSlotOf(channel: Channel): FoldTargets {
  channel.setTarget(channel.ownSlotPtr);
  return { tablePtr: channel.targetsPtr, count: 1 };
}

/** Publishes an array piece by piece, calls back for each, and switches to the other slots. */
function eachStagedPiece(
  channel: Channel,
  place: Place,
  callback: (from: number, count: number) => void,
): void {
  eachPiece(place.array.length, channel.slotBytes / place.elementBytes, (from, count) => {
    channel.publishSlices(place, from, count);
    callback(from, count);
    channel.turn();
  });
}

function identityOf(array: NumberArray, op: ReduceOp): number {
  if (op === 'sum') return 0;
  if (op === 'prod') return 1;
  const [least, largest] = rangeOf(array);
  return op === 'min' ? largest : least;
}

function rangeOf(array: NumberArray): readonly [number, number] {
  if (array instanceof Int32Array) return [-(2 ** 31), 2 ** 31 - 1];
  if (array instanceof Uint8Array) return [0, 255];
  return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
}
