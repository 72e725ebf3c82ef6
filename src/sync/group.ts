// The interface of a group of threads: a Member synchronizes, which is all that training needs,
// since its data moves through the arena; a Group also moves data. Names and the order of arguments
// (input, output, operation, root) are MPI's. See copies.ts and reductions.ts for how each
// collective works.

import { isAborted } from './abort.ts';
import type { NumberArray, NumberType, ReduceOp, SharedArrayOf } from './arrays.ts';
import { Barrier } from './barrier.ts';
import type { Call } from './call.ts';
import type { Link } from './link.ts';
import type { GroupStats } from './stats.ts';
import {
  type ControlWords,
  EXCHANGE_PATIENCE,
  LAYER,
  PULSE,
  rankWord,
  STEP,
  STOP_WORD,
  Stop,
  TIMEOUT_WORD,
} from './words.ts';

/** One thread's membership in a group, with which it can wait for the others. Every call throws a
 * RunError if the run is aborted, if the members' calls differ, or if the others do not arrive in
 * time. */
export interface Member {
  readonly rank: number;
  readonly worldSize: number;
  /** The barrier of inner loops: takes a prepared call and allocates nothing. */
  sync(call: Call): void;
  /** A {@link sync} after which all members agree whether the main thread has requested a stop. */
  syncStop(call: Call): boolean;
  /** Begins the exchange of a call, which a later call ends. Only on rank 0, if there are other
   * processes. Does not wait. */
  start(call: Call): void;
  /** Records where this member is, so that errors can name it, and that it is making progress. */
  setPosition(step: number, layerId: number): void;
  /** Signals that this member makes no more calls. Members that wait for it get an error
   * immediately. */
  finish(): void;
}

/** Options of one call; the same on all members. */
export interface CallOptions {
  /** The purpose of the call, for errors and {@link Group.stats}. Members with different labels get
   * an error. Default: none. */
  readonly label?: string;
  /** How long this member waits for the others before the run is aborted. Default: that of the
   * group. */
  readonly timeoutMs?: number;
}

/** A group of threads, in one process or several, that call the same collectives in the same order.
 * Arrays are Float32Array, Float64Array, Int32Array or Uint8Array, of the same type and length on
 * all members. Those from {@link allocate} are used in place; others are copied through shared
 * memory. Reductions are computed in rank order and give the same bits on every member and in
 * every run. Each call throws a UsageError for invalid arguments, before any other member is
 * involved, and a RunError that names the ranks if members differ or are late, or if one of them
 * dies.
 *
 * @example
 * // job.mjs, for launch
 * export default function job({ rank, group }) {
 *   const sums = group.allocate('float64', 3);
 *   sums.fill(rank);
 *   return [...group.allReduce(sums, 'sum')];
 * } */
export interface Group {
  /** This member's number, from 0. */
  readonly rank: number;
  /** The number of members. */
  readonly worldSize: number;
  /** Allocates an array of zeros in the shared memory of this process, for arrays that collectives
   * use often. It lives as long as the world. */
  allocate<T extends NumberType>(type: T, length: number): SharedArrayOf[T];
  /** Waits until all members have called it. */
  barrier(options?: CallOptions): void;
  /** Overwrites the array with the one of rank `root`, and returns it. */
  broadcast<T extends NumberArray>(array: T, root: number, options?: CallOptions): T;
  /** Replaces the array of rank `root` with the reduction over all members; the other arrays do not
   * change. Returns the array. */
  reduce<T extends NumberArray>(array: T, op: ReduceOp, root: number, options?: CallOptions): T;
  /** Replaces the array with the reduction over all members, and returns it. */
  allReduce<T extends NumberArray>(array: T, op: ReduceOp, options?: CallOptions): T;
  /** Writes the reduction over block `rank` of all inputs into `output`, and returns it. `input`
   * has worldSize blocks of output's length. */
  reduceScatter<T extends NumberArray>(input: T, output: T, op: ReduceOp, options?: CallOptions): T;
  /** Concatenates the members' inputs in `output`, in rank order, and returns it. `output` has
   * worldSize times the length of `input`. */
  allGather<T extends NumberArray>(input: T, output: T, options?: CallOptions): T;
  /** An allGather of inputs with different lengths: `counts[r]` is the length of rank r's input.
   * The list must be the same on all members, and the length of `output` is its sum. */
  allGatherV<T extends NumberArray>(
    input: T,
    output: T,
    counts: readonly number[],
    options?: CallOptions,
  ): T;
  /** Gives each member its block of the root's input, and returns `output`. `input` has worldSize
   * blocks of output's length; it may be null on ranks that do not read it. */
  scatter<T extends NumberArray>(
    input: T | null,
    output: T,
    root: number,
    options?: CallOptions,
  ): T;
  /** Concatenates the members' inputs in the root's output, in rank order, and returns it. `output`
   * may be null on ranks that do not write it. */
  gather<T extends NumberArray, Output extends T | null>(
    input: T,
    output: Output,
    root: number,
    options?: CallOptions,
  ): Output;
  /** Replaces the array with the reduction over the ranks below this one, and on rank 0 with the
   * identity of the operation: 0, 1 or, for `min` and `max`, the infinities or the limits of the
   * type. `mean` has no identity. Returns the array. */
  exclusiveScan<T extends NumberArray>(array: T, op: ReduceOp, options?: CallOptions): T;
  /** Makes one group for each color, a whole number from 0, of the members that pass it, ranked by
   * key and then by rank. Returns null for the color null. All members must call it. The groups
   * exist side by side, and members may use them in any order that cannot deadlock. */
  split(color: number | null, key?: number, options?: CallOptions): Group | null;
  /** Frees the memory of a split group for the next split. All its members must call it. */
  free(): void;
  /** This member's statistics of the group's calls: how many, how much data, and which ranks it
   * waited for. This is not a collective. */
  stats(): GroupStats;
}

/** Joins a group through its control words only. `layerNames` are for errors, by layer id. Rank 0
 * has the links to other processes, if there are any. */
export function attachMember(
  words: ControlWords,
  rank: number,
  layerNames: readonly string[] = [],
  links: readonly Link[] = [],
): Member {
  const barrier = new Barrier(words, rank, { layerNames });
  const exchangeTimeoutMs = EXCHANGE_PATIENCE * words[TIMEOUT_WORD]!;
  const isAsked = (): boolean => Atomics.load(words, STOP_WORD) !== Stop.none;
  const position = {
    isAborted: () => isAborted(words),
    isEnding: () => Atomics.load(words, STOP_WORD) === Stop.withoutPeers,
    aborted: () => barrier.aborted(),
    fail: (reason: string, process?: number) => barrier.fail(reason, [], process),
  };
  const [link] = links;
  const linkOf = (call: Call): Link => links[call.exchange?.link ?? 0]!;
  let current: Call;
  const exchange = (): void => {
    link!.start(current, isAsked());
    link!.finish(current, position);
    const { ends } = current.exchange!;
    if (ends === undefined) return;
    for (let i = 0; i < ends.length; i++) linkOf(ends[i]!).finish(ends[i]!, position);
  };
  const ownWord = rankWord(rank);
  let pulse = 0;
  return {
    rank,
    worldSize: barrier.worldSize,
    sync: (call) => {
      if (call.exchange === undefined) {
        barrier.begin(call, call.length);
        barrier.pass();
        return;
      }
      barrier.begin(call, call.length, 0, link === undefined ? exchangeTimeoutMs : undefined);
      if (link === undefined) {
        barrier.pass();
        return;
      }
      current = call;
      barrier.passLast(exchange);
    },
    syncStop: (call) => {
      barrier.begin(call, call.length);
      // Members may see the stop word change at different times, so what rank 0 saw counts. The
      // same holds for processes, so what all of them said in the last exchange counts.
      const isStopping = rank === 0 && (link?.isStopping ?? isAsked());
      barrier.pass(isStopping ? 1 : 0);
      return barrier.valueOf(0) === 1;
    },
    start: (call) => linkOf(call).start(call, false),
    setPosition: (step, layerId) => {
      // Only for errors and the main thread's watchdog, so these stores need no ordering.
      words[ownWord + STEP] = step + 1;
      words[ownWord + LAYER] = layerId + 1;
      pulse = (pulse + 1) | 0;
      words[ownWord + PULSE] = pulse;
    },
    finish: () => barrier.finish(),
  };
}
