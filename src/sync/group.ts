// What a group of threads offers: a Member synchronizes (training needs no more, its data moves
// through the arena); a Group also moves data. Names and the order of arguments (input, output,
// operation, root) are MPI's. How each collective works is in copies.ts and reductions.ts.

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

/** One thread's place in a group: it can wait for the others. Every call throws a RunError when the
 * run is aborted, when the members' calls differ, or when the others do not come in time. */
export interface Member {
  readonly rank: number;
  readonly worldSize: number;
  /** The barrier of inner loops: takes a prepared call and allocates nothing. */
  sync(call: Call): void;
  /** A {@link sync} after which all members know alike whether main has asked to stop. */
  syncStop(call: Call): boolean;
  /** Begins the exchange of a call, which a later one ends; on rank 0 alone, where there are other
   * processes. Does not wait. */
  start(call: Call): void;
  /** Says where this member is, so that errors can name it, and that it gets on. */
  setPosition(step: number, layerId: number): void;
  /** Says that this member makes no more calls. Who waits for it then gets an error at once. */
  finish(): void;
}

/** Options of one call; the same on all members. */
export interface CallOptions {
  /** What the call is about: for errors and {@link Group.stats}. Members with different labels get
   * an error. Default: none. */
  readonly label?: string;
  /** How long this member waits for the others before the run is aborted. Default: that of the
   * group. */
  readonly timeoutMs?: number;
}

/** A group of threads, in one process or several, that call the same collectives in the same order.
 * Arrays are Float32Array,
 * Float64Array, Int32Array or Uint8Array, of the same type and length on all members. Those from
 * {@link allocate} are used in place; others are copied through shared memory. Reductions go in
 * rank order and give the same bits on every member and in every run. Each call throws a
 * UsageError before any other member is touched when it is wrong in itself, and a RunError that
 * names the ranks when members differ, are late, or when one of them dies.
 *
 * @example
 * // job.mjs, for launch
 * export default function job({ rank, group }) {
 *   const sums = group.allocate('float64', 3);
 *   sums.fill(rank);
 *   return [...group.allReduce(sums, 'sum')];
 * }
 */
export interface Group {
  /** This member's number, from 0. */
  readonly rank: number;
  /** How many members there are. */
  readonly worldSize: number;
  /** An array of zeros in the shared memory of this process, for arrays that go through collectives
   * often. It lives as long as the world. */
  allocate<T extends NumberType>(type: T, length: number): SharedArrayOf[T];
  /** Waits until all members have called it. */
  barrier(options?: CallOptions): void;
  /** Overwrites the array with the one of rank `root`, and returns it. */
  broadcast<T extends NumberArray>(array: T, root: number, options?: CallOptions): T;
  /** Replaces the array of rank `root` by the reduction over all members; the others keep theirs.
   * Returns the array. */
  reduce<T extends NumberArray>(array: T, op: ReduceOp, root: number, options?: CallOptions): T;
  /** Replaces the array by the reduction over all members, and returns it. */
  allReduce<T extends NumberArray>(array: T, op: ReduceOp, options?: CallOptions): T;
  /** Writes into `output` the reduction over block `rank` of all inputs, and returns it. `input`
   * has worldSize blocks of output's length. */
  reduceScatter<T extends NumberArray>(input: T, output: T, op: ReduceOp, options?: CallOptions): T;
  /** Writes the members' inputs into `output`, one after the other in rank order, and returns it.
   * `output` has worldSize times the length of `input`. */
  allGather<T extends NumberArray>(input: T, output: T, options?: CallOptions): T;
  /** allGather of inputs that differ in length: `counts[r]` is that of rank r, the same list on all
   * members, and `output` has their sum. */
  allGatherV<T extends NumberArray>(
    input: T,
    output: T,
    counts: readonly number[],
    options?: CallOptions,
  ): T;
  /** Gives each member its block of the root's input, and returns `output`. `input` has worldSize
   * blocks of output's length; it may be null where it is not read. */
  scatter<T extends NumberArray>(
    input: T | null,
    output: T,
    root: number,
    options?: CallOptions,
  ): T;
  /** Writes the members' inputs into the root's output, one after the other in rank order, and
   * returns it. `output` may be null where it is not written. */
  gather<T extends NumberArray, Output extends T | null>(
    input: T,
    output: Output,
    root: number,
    options?: CallOptions,
  ): Output;
  /** Replaces the array by the reduction over the ranks below this one; on rank 0 by the
   * operation's identity: 0, 1, for `min` and `max` the infinities or the type's ends. `mean` has
   * none. Returns the array. */
  exclusiveScan<T extends NumberArray>(array: T, op: ReduceOp, options?: CallOptions): T;
  /** Makes groups of the members that give the same color, a whole number from 0, ranked by key and
   * then by rank; null where the color is null. All members call it. The groups live side by
   * side, and members may use them in any order that cannot deadlock. */
  split(color: number | null, key?: number, options?: CallOptions): Group | null;
  /** Gives the memory of a split group back, for the next split. All its members call it. */
  free(): void;
  /** What this member knows about the group's calls: how often, how much, and who was waited for.
   * No collective. */
  stats(): GroupStats;
}

/** Joins a group by its control words alone. `layerNames` are for errors, by layer id. Rank 0 has
 * the links to other processes, where there are any. */
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
      // Members may see the stop word change at different times, so what rank 0 saw counts; and
      // processes, so what all of them said with the last exchange.
      const isStopping = rank === 0 && (link?.isStopping ?? isAsked());
      barrier.pass(isStopping ? 1 : 0);
      return barrier.valueOf(0) === 1;
    },
    start: (call) => linkOf(call).start(call, false),
    setPosition: (step, layerId) => {
      // Only for errors and for main's watch, so these stores need no order of their own.
      words[ownWord + STEP] = step + 1;
      words[ownWord + LAYER] = layerId + 1;
      pulse = (pulse + 1) | 0;
      words[ownWord + PULSE] = pulse;
    },
    finish: () => barrier.finish(),
  };
}
