// A member's calls and the ranks that it has waited for, by call site, which helps users to find
// stragglers. Counting costs a few additions per call, so it is always on.

import type { Call } from './call.ts';

/** One call site: calls of one kind, operation, type and label. */
export interface CallSiteStats {
  /** Such as `allReduce(sum, float32) "loss"`. */
  readonly call: string;
  /** How many times it was called. */
  readonly calls: number;
  /** Total bytes of this member's arrays. */
  readonly bytes: number;
  /** Milliseconds that this member waited in these calls. */
  readonly waitedMs: number;
  /** The rank of the group that it waited for longest; undefined if it has not waited. */
  readonly slowestRank: number | undefined;
}

/** A member's statistics of its group's calls so far. */
export interface GroupStats {
  /** The member's number. */
  readonly rank: number;
  /** The number of members. */
  readonly worldSize: number;
  /** Calls so far, of all kinds. */
  readonly calls: number;
  /** Total bytes of this member's arrays. */
  readonly bytes: number;
  /** Milliseconds that this member waited for others. */
  readonly waitedMs: number;
  /** Milliseconds that the other members of this process waited for each rank, in total. The first
   * rank of another process stands for all of its ranks. */
  readonly waitedForMs: readonly number[];
  /** The rank that was waited for longest; undefined if this member never waited. */
  readonly slowestRank: number | undefined;
  /** The call sites, with the longest waits first. */
  readonly sites: readonly CallSiteStats[];
}

interface Site {
  readonly call: Call;
  /** Calls, bytes, then the milliseconds waited for each rank. A typed array, because numbers in
   * object fields would be heap-allocated when they change. */
  readonly values: Float64Array;
}

const CALLS = 0;
const BYTES = 1;
const WAITS = 2;

/** The counters of one member. */
export class Counters {
  private readonly rank: number;
  private readonly worldSize: number;
  /** [worldSize][worldSize], in shared memory if the group has some. Row r, written by rank r,
   * holds the milliseconds that it has waited for each rank. */
  private readonly waits: Float64Array;
  private readonly sites = new Map<Call, Site>();
  /** The site of the current call. */
  private site: Site | undefined;
  private readonly turnMs: number;

  constructor(
    rank: number,
    worldSize: number,
    waits: Float64Array = new Float64Array(worldSize * worldSize),
  ) {
    this.rank = rank;
    this.worldSize = worldSize;
    this.waits = waits;
    // Measured once per thread.
    threadTurnMs ??= measureTurnMs();
    this.turnMs = threadTurnMs;
  }

  /** Counts a call; the waits that follow belong to it. */
  begin(call: Call, bytes: number): void {
    if (this.site?.call !== call) this.site = this.sites.get(call) ?? this.addSite(call);
    const { values } = this.site;
    values[CALLS]! += 1;
    values[BYTES]! += bytes;
  }

  /** Counts a short wait by the number of looks. */
  spun(other: number, turns: number): void {
    this.add(other, turns * this.turnMs);
  }

  /** Counts a wait by the clock. */
  slept(other: number, ms: number): void {
    this.add(other, ms);
  }

  read(): GroupStats {
    const { rank, worldSize, waits } = this;
    const sites = [...this.sites.values()].map(showSite);
    const waitedForMs = Array.from({ length: worldSize }, (_, other) => {
      let sumMs = 0;
      for (let waiter = 0; waiter < worldSize; waiter++)
        sumMs += waits[waiter * worldSize + other]!;
      return sumMs;
    });
    return {
      rank,
      worldSize,
      calls: sites.reduce((sum, site) => sum + site.calls, 0),
      bytes: sites.reduce((sum, site) => sum + site.bytes, 0),
      waitedMs: sites.reduce((sum, site) => sum + site.waitedMs, 0),
      waitedForMs,
      slowestRank: largest(waitedForMs),
      sites: sites.sort((a, b) => b.waitedMs - a.waitedMs),
    };
  }

  private addSite(call: Call): Site {
    const site = { call, values: new Float64Array(WAITS + this.worldSize) };
    this.sites.set(call, site);
    return site;
  }

  private add(other: number, ms: number): void {
    this.site!.values[WAITS + other]! += ms;
    this.waits[this.rank * this.worldSize + other]! += ms;
  }
}

function showSite({ call, values }: Site): CallSiteStats {
  const waitedForMs = [...values.subarray(WAITS)];
  return {
    call: call.text,
    calls: values[CALLS]!,
    bytes: values[BYTES]!,
    waitedMs: waitedForMs.reduce((sum, ms) => sum + ms, 0),
    slowestRank: largest(waitedForMs),
  };
}

/** The time of one look at another member's line; undefined until it is measured. */
let threadTurnMs: number | undefined;

function measureTurnMs(): number {
  const words = new Int32Array(new SharedArrayBuffer(4));
  const turns = 20_000;
  const startMs = performance.now();
  for (let turn = 0; turn < turns; turn++) {
    if (Atomics.load(words, 0) + Atomics.load(words, 0) + Atomics.load(words, 0) !== 0) break;
  }
  return (performance.now() - startMs) / turns;
}

/** The index of the largest value above 0. */
function largest(values: readonly number[]): number | undefined {
  const max = Math.max(...values);
  return max > 0 ? values.indexOf(max) : undefined;
}
