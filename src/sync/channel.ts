// How the data of one group's collectives moves: which arrays are in shared memory, copies between
// arrays and slots, slices, and the address tables of kernels. See copies.ts and reductions.ts for
// what is moved when, and why that is safe.

import { ELEMENT_BYTES, NUMBER_TYPES, type NumberArray } from './arrays.ts';
import type { Barrier } from './barrier.ts';
import type { Bridge } from './bridge.ts';
import type { Calls } from './calls.ts';
import { blockAt, type GroupMemory, slotPtr } from './memory.ts';
import {
  ALL_ENDS,
  blocks,
  EACH,
  type Ends,
  NO_PARTS,
  type Slices,
  slicesBack,
  slicesFromOwners,
  slicesToOwners,
  wholeSlots,
} from './parts.ts';
import { type Place, Places } from './places.ts';

/** The kernels of collectives, bound to the group's memory. {@link reductionCode} combines a type
 * and an operation. Tables hold one address per rank; the offset is added to each. */
export interface CollectiveKernels {
  /** Every target[k][i] = source[0][i] op source[1][i] op ..., in this order. */
  foldRanks(
    code: number,
    sourcesPtr: number,
    sources: number,
    targetsPtr: number,
    targets: number,
    offsetBytes: number,
    length: number,
  ): void;
  /** target[k][i] = source[0][i] op ... op source[k - 1][i]; target[0] is the identity. */
  scanRanks(
    code: number,
    sourcesPtr: number,
    sources: number,
    targetsPtr: number,
    offsetBytes: number,
    length: number,
  ): void;
  copyBytes(targetPtr: number, sourcePtr: number, sizeBytes: number): void;
}

/** Arrays of up to this many elements are copied by a loop, since a call of `set` costs more. */
const LOOP_LENGTH = 48;
/** Slices begin at cache lines of the array, so that no two ranks write into one line. */
const SLICE_BYTES = 64;

/** Up to this size in bytes, reading a whole array from every rank costs less than a second
 * synchronization. If members sleep instead of spinning, a synchronization costs a hundred times
 * more. Measured in bench/NOTES.md. */
const SMALL_BYTES_SPINNING = 1024;
const SMALL_BYTES_SLEEPING = 65_536;

/** The bytes that fit the values of a synchronization. */
export const VALUE_BYTES = 8;

/** The data to fold: the elements from `offsetBytes` on of the first `sources` arrays of a
 * table. */
export interface FoldSource {
  readonly code: number;
  readonly tablePtr: number;
  readonly sources: number;
  readonly offsetBytes: number;
}

export interface ChannelOptions {
  readonly shared: GroupMemory;
  /** The address of the group's block. */
  readonly blockPtr: number;
  readonly calls: Calls;
  readonly kernels: CollectiveKernels;
  /** Present if the group has members in other processes. */
  readonly crossing?:
    | {
        /** The maximum size of an array that takes one synchronization. */
        readonly smallBytes: number;
        /** The bridge, on the first member of its process. */
        readonly bridge: Bridge | undefined;
      }
    | undefined;
}

/** One member's access to the data of its group. */
export class Channel {
  readonly barrier: Barrier;
  readonly calls: Calls;
  readonly kernels: CollectiveKernels;
  readonly slotBytes: number;
  /** Whether the group has members in other processes, which only see the part of each other's
   * memory that is published in slots. */
  readonly isCrossing: boolean;
  private readonly bridge: Bridge | undefined;
  /** Arrays of up to this many bytes are published in slots. */
  readonly smallBytes: number;
  /** This member's tables of the arrays that are read and those that are written. */
  readonly sourcesPtr: number;
  readonly targetsPtr: number;
  /** Scratch memory of one slot, for results on their way to private arrays. */
  private readonly scratchPtr: number;
  private readonly places: Places;
  private readonly words: Int32Array;
  private readonly slotTablesPtr: number;
  private readonly valueTablesPtr: number;
  /** The slots by half and rank. */
  private readonly slotPtrs: readonly (readonly number[])[];
  private half = 0;

  constructor({ shared, blockPtr, calls, kernels, crossing }: ChannelOptions) {
    const { barrier } = calls;
    const { rank, worldSize } = barrier;
    const { slotBytes, memory } = shared;
    const block = blockAt(blockPtr, worldSize, slotBytes);
    const ranks = Array.from({ length: worldSize }, (_, other) => other);
    this.barrier = barrier;
    this.calls = calls;
    this.kernels = kernels;
    this.slotBytes = slotBytes;
    this.isCrossing = crossing !== undefined;
    this.bridge = crossing?.bridge;
    const ownBytes = barrier.spins ? SMALL_BYTES_SPINNING : SMALL_BYTES_SLEEPING;
    this.smallBytes = Math.min(slotBytes, crossing?.smallBytes ?? ownBytes);
    this.sourcesPtr = block.rankPtr + rank * block.rankBytes;
    this.targetsPtr = this.sourcesPtr + block.tableBytes;
    this.scratchPtr = this.targetsPtr + block.tableBytes;
    this.slotTablesPtr = block.slotTablesPtr;
    this.valueTablesPtr = block.valueTablesPtr;
    this.places = new Places(memory, this.smallBytes);
    this.words = new Int32Array(memory.buffer);
    this.slotPtrs = [0, 1].map((half) =>
      ranks.map((other) => slotPtr(block, slotBytes, other, half)),
    );
  }

  /** The place of a call's array. */
  place(what: string, array: NumberArray): Place {
    return this.places.find(what, array);
  }

  /** This member's slot. */
  get ownSlotPtr(): number {
    return this.slotPtr(this.barrier.rank);
  }

  slotPtr(rank: number): number {
    return this.slotPtrs[this.half]![rank]!;
  }

  /** The table of all ranks' slots. */
  slotsPtr(): number {
    return this.slotTablesPtr + this.half * this.barrier.worldSize * 4;
  }

  /** Switches to the other slots. memory.ts explains why their contents may be overwritten. */
  turn(): void {
    this.half = 1 - this.half;
  }

  /** Synchronizes. {@link Barrier.valueOf} returns the values. */
  pass(value = 0, value2 = 0): void {
    const { bridge } = this;
    if (bridge === undefined) this.barrier.pass(value, value2);
    else bridge.pass(NO_PARTS, this.half, value, value2);
  }

  /** Publishes an array of at most one slot and waits for the others'; `ends` says between which
   * members. */
  publish(place: Place, ends = ALL_ENDS): void {
    const { length } = place.array;
    this.copyIn(place, 0, length, this.ownSlotPtr);
    this.passSlots(ends, length * place.elementBytes);
  }

  /** Synchronizes with a mark. Afterward the ends have `sizeBytes` bytes of the slots; `sizeOf` is
   * for ranks that publish less. */
  passSlots(ends: Ends, sizeBytes: number, mark = 0, sizeOf?: (rank: number) => number): void {
    const { bridge } = this;
    if (bridge === undefined) this.barrier.pass(0, mark);
    else bridge.pass(wholeSlots(ends, sizeBytes, sizeOf), this.half, 0, mark);
  }

  /** Synchronizes. Afterward each member has its block of all slots, or of the slot of rank
   * `from`. */
  passBlocks(from: number, strideBytes: number, sizeBytes: number): void {
    const { bridge } = this;
    if (bridge === undefined) this.barrier.pass();
    else bridge.pass(blocks(from, strideBytes, sizeBytes), this.half, 0, 0);
  }

  /** Publishes elements of an array in this member's slot; each member gets its slice of them. */
  publishSlices(place: Place, from: number, count: number): void {
    const { bridge } = this;
    this.copyIn(place, from, count, this.ownSlotPtr);
    if (bridge === undefined) this.barrier.pass();
    else bridge.pass(slicesToOwners(this.slicesOf(place, count)), this.half, 0, 0);
  }

  /** Synchronizes in a group that crosses processes. Afterward all members, or those in the process
   * of rank `to`, have the slices that each member has folded into its slot, and copy them into
   * elements of the array. */
  collectSlices(place: Place, from: number, count: number, to = EACH): void {
    const { bridge, barrier } = this;
    const slices = this.slicesOf(place, count);
    if (bridge === undefined) barrier.pass();
    else bridge.pass(slicesFromOwners(slices, to), this.half, 0, 0);
    if (to !== EACH && to !== barrier.rank) return;
    const { totalBytes, sliceBytes } = slices;
    for (let rank = 0; rank * sliceBytes < totalBytes; rank++) {
      const first = (rank * sliceBytes) / place.elementBytes;
      const length = Math.min(sliceBytes / place.elementBytes, count - first);
      this.copyOut(place, from + first, length, this.slotPtr(rank) + rank * sliceBytes);
    }
  }

  /** Synchronizes. Afterward each member has what the others have scanned in its slot. */
  passScanned(place: Place, count: number): void {
    const { bridge } = this;
    if (bridge === undefined) this.barrier.pass();
    else bridge.pass(slicesBack(this.slicesOf(place, count)), this.half, 0, 0);
  }

  private slicesOf({ typeCode, elementBytes }: Place, count: number): Slices {
    const sliceBytes = sliceStart(typeCode, count, 1, this.barrier.worldSize) * elementBytes;
    return { totalBytes: count * elementBytes, sliceBytes };
  }

  /** Publishes an array of at most {@link VALUE_BYTES} in the line that the others read anyway, and
   * returns the table of what all ranks have published. It is valid until the synchronization
   * after the next. */
  publishValue(place: Place): number {
    const { array, ptr, elementBytes, view } = place;
    const { words, barrier } = this;
    let from = ptr;
    if (ptr === 0 || (ptr & 3) !== 0) {
      from = this.scratchPtr;
      const to = from / elementBytes;
      for (let i = 0; i < array.length; i++) view[to + i] = array[i]!;
    }
    this.pass(words[from >>> 2]!, words[(from >>> 2) + 1]!);
    return this.valueTablesPtr + barrier.parity * barrier.worldSize * 4;
  }

  /** Publishes the array's address, and a mark. If all arrays are in shared memory, the source
   * table has their addresses afterward. Between processes only the mark is published. */
  shareAddress(place: Place, mark = 0): boolean {
    const { barrier } = this;
    if (this.isCrossing) {
      if (mark !== 0) this.pass(0, mark);
      return false;
    }
    barrier.pass(place.ptr, mark);
    const tableWord = this.sourcesPtr >>> 2;
    let isShared = true;
    for (let rank = 0; rank < barrier.worldSize; rank++) {
      const ptr = barrier.valueOf(rank);
      if (ptr === 0) isShared = false;
      this.words[tableWord + rank] = ptr;
    }
    return isShared;
  }

  /** The address that a rank has shared; 0 if it has not shared any. */
  sharedPtr(rank: number): number {
    return this.isCrossing ? 0 : this.words[(this.sourcesPtr >>> 2) + rank]! >>> 0;
  }

  setTarget(ptr: number): void {
    this.words[this.targetsPtr >>> 2] = ptr;
  }

  /** Folds the first `sources` arrays of a table into a whole array of at most one slot. */
  foldWhole(code: number, tablePtr: number, sources: number, place: Place): void {
    const { array, ptr } = place;
    this.setTarget(ptr === 0 ? this.scratchPtr : ptr);
    this.kernels.foldRanks(code, tablePtr, sources, this.targetsPtr, 1, 0, array.length);
    if (ptr === 0) this.copyOut(place, 0, array.length, this.scratchPtr);
  }

  /** Folds what the first `sources` ranks have published into a whole array. */
  foldPublished(code: number, sources: number, place: Place): void {
    this.foldWhole(code, this.slotsPtr(), sources, place);
    this.turn();
  }

  /** Folds into elements of an array, starting at `from`. */
  foldInto(source: FoldSource, place: Place, from: number, count: number): void {
    const { code, tablePtr, sources, offsetBytes } = source;
    const { ptr, elementBytes: size } = place;
    if (ptr !== 0) {
      // The kernel adds the offset to every address.
      this.setTarget(ptr + from * size - offsetBytes);
      this.kernels.foldRanks(code, tablePtr, sources, this.targetsPtr, 1, offsetBytes, count);
      return;
    }
    const room = this.slotBytes / size;
    for (let done = 0; done < count; done += room) {
      const part = Math.min(room, count - done);
      const offset = offsetBytes + done * size;
      this.setTarget(this.scratchPtr - offset);
      this.kernels.foldRanks(code, tablePtr, sources, this.targetsPtr, 1, offset, part);
      this.copyOut(place, from + done, part, this.scratchPtr);
    }
  }

  /** Folds this member's slice of `length` elements of all sources into `targets`. */
  foldSlice(code: number, tablePtr: number, targets: FoldTargets, length: number): void {
    const { worldSize, rank } = this.barrier;
    const from = sliceStart(code, length, rank, worldSize);
    const count = sliceStart(code, length, rank + 1, worldSize) - from;
    const offset = from * ELEMENT_BYTES[NUMBER_TYPES[code >> 3]!];
    const { tablePtr: targetsPtr, count: targetCount } = targets;
    this.kernels.foldRanks(code, tablePtr, worldSize, targetsPtr, targetCount, offset, count);
  }

  /** Scans this member's slice of `length` elements of all arrays of a table, in place. */
  scanSlice(code: number, tablePtr: number, length: number): void {
    const { worldSize, rank } = this.barrier;
    const from = sliceStart(code, length, rank, worldSize);
    const count = sliceStart(code, length, rank + 1, worldSize) - from;
    const offset = from * ELEMENT_BYTES[NUMBER_TYPES[code >> 3]!];
    this.kernels.scanRanks(code, tablePtr, worldSize, tablePtr, offset, count);
  }

  /** Copies elements of an array to an address. */
  copyIn(place: Place, from: number, count: number, ptr: number): void {
    const { array, elementBytes, view } = place;
    if (place.ptr !== 0) {
      this.kernels.copyBytes(ptr, place.ptr + from * elementBytes, count * elementBytes);
      return;
    }
    const to = ptr / elementBytes;
    if (count <= LOOP_LENGTH) for (let i = 0; i < count; i++) view[to + i] = array[from + i]!;
    else view.set(count === array.length ? array : array.subarray(from, from + count), to);
  }

  /** Copies from an address to elements of an array. */
  copyOut(place: Place, from: number, count: number, ptr: number): void {
    const { array, elementBytes, view } = place;
    if (place.ptr !== 0) {
      this.kernels.copyBytes(place.ptr + from * elementBytes, ptr, count * elementBytes);
      return;
    }
    const at = ptr / elementBytes;
    if (count <= LOOP_LENGTH) for (let i = 0; i < count; i++) array[from + i] = view[at + i]!;
    else array.set(view.subarray(at, at + count), from);
  }
}

/** The destinations of results. */
export interface FoldTargets {
  readonly tablePtr: number;
  readonly count: number;
}

/** The start of a rank's slice in an array of this length. For worldSize it is the end of the
 * array. */
export function sliceStart(code: number, length: number, rank: number, worldSize: number): number {
  const grain = SLICE_BYTES / ELEMENT_BYTES[NUMBER_TYPES[code >> 3]!];
  const share = Math.ceil(length / worldSize / grain) * grain;
  return Math.min(length, rank * share);
}
