// A group of threads and its collectives. A Member synchronizes (training needs no more, its data
// moves through the arena); a Group also moves data, through slots of its own in shared memory.
//
//   collective   synchronizations   bytes written, read per member   order of the sum
//   barrier      1                  0, 0                             -
//   allReduce    1 per piece        n, worldSize n                   rank 0, 1, 2 ...
//   broadcast    1 per piece        n on the root, n on the others   -
//   allGather    1 per piece        n, worldSize n                   -

import { availableParallelism } from 'node:os';
import { assertSame, checkInteger, UsageError } from '../base/errors.ts';
import { Barrier, type LayerNames } from './barrier.ts';
import { type Call, NO_LENGTH, prepareCall } from './call.ts';
import { checkOp, fold, type NumberArray, type NumberType, type ReduceOp, typeOf } from './fold.ts';
import {
  type ControlWords,
  controlWordCount,
  initControlWords,
  LAYER,
  rankWord,
  STEP,
  STOP_WORD,
} from './words.ts';

/** One thread's place in a group: it can wait for the others. Every call throws a RunError when the
 * run is broken off, when the members' calls differ, or when the others do not come in time. */
export interface Member {
  readonly rank: number;
  readonly worldSize: number;
  /** Waits until all members have called barrier with this label. */
  barrier(label?: string): void;
  /** The barrier of inner loops: takes a prepared call and allocates nothing. */
  sync(call: Call): void;
  /** A {@link sync} after which all members know alike whether main has asked to stop. */
  syncStop(call: Call): boolean;
  /** Says where this member is, so that errors can name it. */
  setPosition(step: number, layerId: number): void;
  /** Says that this member makes no more calls. Who waits for it then gets an error at once. */
  finish(): void;
}

/** A member that also moves data. Arrays have the same type and length on all members, or all get
 * an error that names both calls. */
export interface Group extends Member {
  /** Replaces the array's elements by their reduction over all members, in rank order, and
   * returns the array. The bits are the same on every member and in every run. */
  allReduce<T extends NumberArray>(array: T, op: ReduceOp): T;
  /** Overwrites the array with the one of rank `root`, and returns it. */
  broadcast<T extends NumberArray>(array: T, root: number): T;
  /** Writes the members' inputs into `output`, one behind the other in rank order, and returns it.
   * `output` has worldSize times the length of `input`. */
  allGather<T extends NumberArray>(input: T, output: T): T;
}

export interface GroupOptions {
  /** How long a member waits for the others before the run is broken off. Default 60_000. */
  readonly timeoutMs?: number;
  /** Room for one piece, a multiple of 8 bytes; longer arrays go in pieces. Default 65_536. */
  readonly slotBytes?: number;
}

/** The shared memory of a group, to be posted to its members. */
export interface GroupMemory {
  readonly words: ControlWords;
  /** Two slots per rank, [worldSize][2][slotBytes]. While the others still read one piece, the
   * next one goes into the other slot; the slot after that is free, since all have passed the
   * piece between. */
  readonly slots: SharedArrayBuffer;
  readonly slotBytes: number;
}

/** Fits the second-level cache for a handful of ranks. */
const DEFAULT_SLOT_BYTES = 65_536;

/** Whether waiting members of such a group should spin: only when each has a core of its own. 8
 * threads on 2 cores took 45 us to 239 us per barrier with spinning, depending on its length. */
export function shouldSpin(worldSize: number): boolean {
  return worldSize <= availableParallelism();
}

/** Creates the memory of a group with slots. For the main thread. */
export function createGroupMemory(worldSize: number, options: GroupOptions = {}): GroupMemory {
  const { timeoutMs, slotBytes = DEFAULT_SLOT_BYTES } = options;
  assertSame('slot size modulo 8', slotBytes % 8, 0);
  const words = new Int32Array(new SharedArrayBuffer(controlWordCount(worldSize) * 4));
  initControlWords(words, worldSize, {
    spins: shouldSpin(worldSize),
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
  return { words, slots: new SharedArrayBuffer(worldSize * 2 * slotBytes), slotBytes };
}

/** Joins a group by its control words alone. `layerNames` are for errors, by layer id. */
export function attachMember(
  words: ControlWords,
  rank: number,
  layerNames: LayerNames = [],
): Member {
  return makeMember(new Barrier(words, rank, layerNames), words);
}

/** Joins a group with slots. */
export function attachGroup(memory: GroupMemory, rank: number): Group {
  const { words } = memory;
  const barrier = new Barrier(words, rank, []);
  const slots = new Slots(memory, barrier);
  return {
    ...makeMember(barrier, words),
    allReduce: (array, op) => {
      const type = typeOf('the array of allReduce', array);
      checkOp(op, type);
      slots.allReduce(array, op, slots.callOf('allReduce', type, op));
      return array;
    },
    broadcast: (array, root) => {
      const type = typeOf('the array of broadcast', array);
      checkInteger('the root of broadcast', root, 0, barrier.worldSize - 1);
      slots.broadcast(array, root, slots.callOf('broadcast', type, `root ${root}`));
      return array;
    },
    allGather: (input, output) => {
      const type = typeOf('the input of allGather', input);
      checkGather(input, output, barrier.worldSize);
      slots.allGather(input, output, slots.callOf('allGather', type));
      return output;
    },
  };
}

function makeMember(barrier: Barrier, words: ControlWords): Member {
  const { rank, worldSize } = barrier;
  const ownWord = rankWord(rank);
  const unlabelled = prepareCall({ kind: 'barrier' });
  return {
    rank,
    worldSize,
    barrier: (label) => {
      barrier.pass(
        label === undefined ? unlabelled : prepareCall({ kind: 'barrier', label }),
        NO_LENGTH,
      );
    },
    sync: (call) => barrier.pass(call, call.length),
    syncStop: (call) => {
      // Members may see the stop word change at different times, so what rank 0 saw counts.
      barrier.pass(call, call.length, rank === 0 ? Atomics.load(words, STOP_WORD) : 0);
      return barrier.voteOf(0) === 1;
    },
    setPosition: (step, layerId) => {
      // Only for errors, so these stores need no order of their own.
      words[ownWord + STEP] = step + 1;
      words[ownWord + LAYER] = layerId + 1;
    },
    finish: () => barrier.finish(),
  };
}

/** The views of the slots, [type][rank][half], and what moves through them. */
class Slots {
  private readonly barrier: Barrier;
  private readonly views: Readonly<Record<NumberType, readonly (readonly NumberArray[])[]>>;
  private readonly slotBytes: number;
  /** Where float32 is summed, one slot long. */
  private readonly wide: Float64Array;
  private readonly calls = new Map<string, Call>();
  private half = 0;

  constructor(memory: GroupMemory, barrier: Barrier) {
    const { slots, slotBytes } = memory;
    const ranks = Array.from({ length: barrier.worldSize }, (_, rank) => rank);
    const viewsOf = <T>(view: (offsetBytes: number) => T): T[][] =>
      ranks.map((rank) => [0, 1].map((half) => view((rank * 2 + half) * slotBytes)));
    this.barrier = barrier;
    this.slotBytes = slotBytes;
    this.views = {
      float32: viewsOf((at) => new Float32Array(slots, at, slotBytes / 4)),
      float64: viewsOf((at) => new Float64Array(slots, at, slotBytes / 8)),
      int32: viewsOf((at) => new Int32Array(slots, at, slotBytes / 4)),
    };
    this.wide = new Float64Array(slotBytes / 4);
  }

  callOf(kind: string, type: NumberType, op?: string): Call {
    const key = `${kind} ${type} ${op}`;
    let call = this.calls.get(key);
    if (call === undefined) {
      call = prepareCall({ kind, type, ...(op !== undefined && { op }) });
      this.calls.set(key, call);
    }
    return call;
  }

  allReduce(array: NumberArray, op: ReduceOp, call: Call): void {
    const { rank, worldSize } = this.barrier;
    const isWide = array instanceof Float32Array && op !== 'min' && op !== 'max';
    this.eachPiece(array, call, rank, (slots, half, from, count) => {
      const target = isWide ? this.wide : array.subarray(from, from + count);
      for (let i = 0; i < count; i++) target[i] = slots[0]![half]![i]!;
      for (let other = 1; other < worldSize; other++) fold(op, target, slots[other]![half]!, count);
      if (op === 'mean') for (let i = 0; i < count; i++) target[i]! /= worldSize;
      if (isWide) for (let i = 0; i < count; i++) array[from + i] = target[i]!;
    });
  }

  broadcast(array: NumberArray, root: number, call: Call): void {
    this.eachPiece(array, call, root, (slots, half, from, count) => {
      const slot = slots[root]![half]!;
      for (let i = 0; i < count; i++) array[from + i] = slot[i]!;
    });
  }

  allGather(input: NumberArray, output: NumberArray, call: Call): void {
    const { rank, worldSize } = this.barrier;
    this.eachPiece(input, call, rank, (slots, half, from, count) => {
      for (let other = 0; other < worldSize; other++) {
        const slot = slots[other]![half]!;
        const to = other * input.length + from;
        for (let i = 0; i < count; i++) output[to + i] = slot[i]!;
      }
    });
  }

  /** Publishes the array piece by piece, on rank `writer` (each member names itself where all
   * write), and calls `read` when everybody's piece is there. An empty array is one empty piece,
   * so that its call is compared too. */
  private eachPiece(
    array: NumberArray,
    call: Call,
    writer: number,
    read: (
      slots: readonly (readonly NumberArray[])[],
      half: number,
      from: number,
      count: number,
    ) => void,
  ): void {
    const { rank } = this.barrier;
    const slots = this.views[typeOf('the array', array)];
    const capacity = this.slotBytes / array.BYTES_PER_ELEMENT;
    let from = 0;
    do {
      const count = Math.min(capacity, array.length - from);
      const { half } = this;
      if (writer === rank) slots[rank]![half]!.set(array.subarray(from, from + count));
      this.barrier.pass(call, array.length);
      read(slots, half, from, count);
      this.half = 1 - half;
      from += count;
    } while (from < array.length);
  }
}

function checkGather(input: NumberArray, output: NumberArray, worldSize: number): void {
  if (typeOf('the output of allGather', output) !== typeOf('the input of allGather', input)) {
    throw new UsageError({
      what: 'the output of allGather',
      given: typeOf('the output', output),
      allowed: `the type of the input, ${typeOf('the input', input)}`,
    });
  }
  if (output.length !== worldSize * input.length) {
    throw new UsageError({
      what: 'the length of the output of allGather',
      given: output.length,
      allowed: `${worldSize} times the length of the input, ${worldSize * input.length}`,
    });
  }
}
