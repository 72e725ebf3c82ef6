// The shared memory of a world: one WebAssembly.Memory that holds the control words, tables and
// slots of the world's group, then a heap for arrays and for the groups split off it.

import { availableParallelism } from 'node:os';
import { alignUp, PAGE_BYTES } from '../base/bytes.ts';
import { assertSame, checkInteger, UsageError } from '../base/errors.ts';
import { ELEMENT_BYTES, NUMBER_TYPES, type NumberType, type SharedArrayOf } from './arrays.ts';
import {
  type ControlWords,
  controlWordCount,
  HEAP_END_WORD,
  HEAP_NEXT_WORD,
  initControlWords,
  LINE_BYTES,
  SPIN_TURNS_WORD,
  TIMEOUT_WORD,
  valueWord,
} from './words.ts';

//   block of a group of W members                                   written by
//   | control words                                       |        see words.ts
//   | waits [W][W] float64                                |        row r: rank r
//   | slot tables [2][W], value tables [2][W]: addresses  |        who creates the block
//   | rank r: sources [W], targets [W], scratch, slots 0, 1 |      rank r
//   | what is exchanged with other processes (span.ts)    |        the first local rank
//
// In a group with members in other processes, the first local rank writes what is of theirs.
//
// While the others still read what lies in one slot, the next call uses the other one; the slot
// after that is free again, since all have passed the call between.

/** WASM32 addresses end here. */
const MAX_BYTES = 2 ** 32 - PAGE_BYTES;

/** Two slots for each of a handful of ranks fit into the L2 cache. */
export const DEFAULT_SLOT_BYTES = 65_536;
/** Space for arrays. The system only allocates pages when they are used. */
const DEFAULT_SHARED_BYTES = 256 * 2 ** 20;

/** How often a member with a dedicated core looks before it sleeps: 100 to 200 us, at least a dozen
 * times the cost of a futex wake-up (measured on a 2-core x86 machine, Node 20, November 2026). */
const SPIN_TURNS = 4000;

export interface GroupOptions {
  /** How long a member waits for the others before the run is aborted. Default 60_000. */
  readonly timeoutMs?: number;
  /** Space for {@link Group.allocate} and {@link Group.split}. Default 268_435_456 (256 MiB), of
   * which the system only allocates what is used. */
  readonly sharedBytes?: number;
  /** The number of threads that share the cores of this host. Default: the members of the group. */
  readonly threads?: number;
  /** Space after the block, for exchanges with other processes. Default 0. */
  readonly bridgeBytes?: number;
  /** Space for one piece of an array that is not in shared memory, a multiple of 128 bytes. Default
   * 65_536. */
  readonly slotBytes?: number;
}

/** The shared memory of a group, to be posted to its members. */
export interface GroupMemory {
  readonly memory: WebAssembly.Memory;
  /** The control words of the world; everything else follows them. */
  readonly words: ControlWords;
  readonly slotBytes: number;
}

/** The addresses of the parts of a group's block. */
export interface Block {
  readonly waitsPtr: number;
  /** The table of all ranks' slots 0. The table of slots 1 follows worldSize words later. */
  readonly slotTablesPtr: number;
  /** The same for the values of even and odd synchronizations. */
  readonly valueTablesPtr: number;
  readonly rankPtr: number;
  readonly rankBytes: number;
  readonly tableBytes: number;
  readonly endPtr: number;
}

/** How often waiting members should look before they sleep. More than once only if each thread of
 * the host has its own core. 8 threads on 2 cores took 45 us to 239 us per barrier with spinning,
 * depending on its length. */
export function spinTurnsFor(threads: number): number {
  return threads <= availableParallelism() ? SPIN_TURNS : 0;
}

/** Creates the memory of a world. For the main thread. */
export function createGroupMemory(worldSize: number, options: GroupOptions = {}): GroupMemory {
  const { timeoutMs, sharedBytes = DEFAULT_SHARED_BYTES } = options;
  const { slotBytes = DEFAULT_SLOT_BYTES, threads = worldSize, bridgeBytes = 0 } = options;
  assertSame('slot size modulo 128', slotBytes % LINE_BYTES, 0);
  const endPtr = blockAt(0, worldSize, slotBytes).endPtr + bridgeBytes;
  checkInteger('sharedBytes', sharedBytes, 0, MAX_BYTES - endPtr);
  const pages = Math.ceil((endPtr + sharedBytes) / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const words: ControlWords = new Int32Array(memory.buffer as unknown as SharedArrayBuffer);
  initControlWords(words, worldSize, {
    spinTurns: spinTurnsFor(threads),
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
  words[HEAP_NEXT_WORD] = endPtr / LINE_BYTES;
  words[HEAP_END_WORD] = (pages * PAGE_BYTES) / LINE_BYTES;
  const shared = { memory, words, slotBytes };
  fillTables(shared, 0, worldSize);
  return shared;
}

/** The addresses of the parts of a block that begins at `ptr`. */
export function blockAt(ptr: number, worldSize: number, slotBytes: number): Block {
  const waitsPtr = alignUp(ptr + controlWordCount(worldSize) * 4, LINE_BYTES);
  const slotTablesPtr = alignUp(waitsPtr + worldSize * worldSize * 8, LINE_BYTES);
  const valueTablesPtr = slotTablesPtr + 2 * worldSize * 4;
  const rankPtr = alignUp(valueTablesPtr + 2 * worldSize * 4, LINE_BYTES);
  const tableBytes = alignUp(worldSize * 4, LINE_BYTES);
  const rankBytes = 2 * tableBytes + 3 * slotBytes;
  const endPtr = rankPtr + worldSize * rankBytes;
  return { waitsPtr, slotTablesPtr, valueTablesPtr, rankPtr, rankBytes, tableBytes, endPtr };
}

/** The address of a rank's slot. */
export function slotPtr(block: Block, slotBytes: number, rank: number, half: number): number {
  const { rankPtr, rankBytes, tableBytes } = block;
  return rankPtr + rank * rankBytes + 2 * tableBytes + (1 + half) * slotBytes;
}

/** Prepares the block of a new split group. Called by one of its members, before the others
 * attach. */
export function initBlock(shared: GroupMemory, ptr: number, worldSize: number): void {
  const { words, slotBytes } = shared;
  const { waitsPtr, slotTablesPtr } = blockAt(ptr, worldSize, slotBytes);
  initControlWords(words.subarray(ptr / 4), worldSize, {
    spinTurns: words[SPIN_TURNS_WORD]!,
    timeoutMs: words[TIMEOUT_WORD]!,
  });
  words.fill(0, waitsPtr / 4, slotTablesPtr / 4);
  fillTables(shared, ptr, worldSize);
}

function fillTables({ words, slotBytes }: GroupMemory, ptr: number, worldSize: number): void {
  const block = blockAt(ptr, worldSize, slotBytes);
  for (let half = 0; half < 2; half++) {
    for (let rank = 0; rank < worldSize; rank++) {
      const at = half * worldSize + rank;
      words[block.slotTablesPtr / 4 + at] = slotPtr(block, slotBytes, rank, half);
      words[block.valueTablesPtr / 4 + at] = ptr + valueWord(rank, worldSize, half) * 4;
    }
  }
}

/** Takes a piece of the heap. Returns undefined if there is not enough left. */
export function takeBytes({ words }: GroupMemory, sizeBytes: number): number | undefined {
  const lines = Math.ceil(sizeBytes / LINE_BYTES);
  const line = Atomics.add(words, HEAP_NEXT_WORD, lines);
  if (line + lines <= words[HEAP_END_WORD]!) return line * LINE_BYTES;
  Atomics.sub(words, HEAP_NEXT_WORD, lines);
  return undefined;
}

/** Allocates an array of zeros in shared memory. Throws a {@link UsageError} if there is no space
 * left. */
export function allocateShared<T extends NumberType>(
  shared: GroupMemory,
  type: T,
  length: number,
): SharedArrayOf[T];
export function allocateShared(
  shared: GroupMemory,
  type: NumberType,
  length: number,
): SharedArrayOf[NumberType] {
  if (!NUMBER_TYPES.includes(type)) {
    const allowed = NUMBER_TYPES.join(', ');
    throw new UsageError({ what: 'the type of allocate', given: type, allowed });
  }
  checkInteger('the length of allocate', length, 0);
  const ptr = takeBytes(shared, length * ELEMENT_BYTES[type]);
  if (ptr === undefined) throw noRoom(shared, `${length} elements of ${type}`);
  const buffer = shared.memory.buffer as unknown as SharedArrayBuffer;
  if (type === 'float32') return new Float32Array(buffer, ptr, length);
  if (type === 'float64') return new Float64Array(buffer, ptr, length);
  if (type === 'int32') return new Int32Array(buffer, ptr, length);
  return new Uint8Array(buffer, ptr, length);
}

/** The error of a request for more memory than is left. */
export function noRoom({ words }: GroupMemory, given: string): UsageError {
  const leftLines = words[HEAP_END_WORD]! - Atomics.load(words, HEAP_NEXT_WORD);
  return new UsageError({
    what: 'shared memory of the group',
    given,
    allowed: `at most ${leftLines * LINE_BYTES} bytes, the remaining space`,
    hint: 'a larger sharedBytes in the options of launch',
  });
}
