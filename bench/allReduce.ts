// The all-reduce and the barrier: this library and its peers take turns within one run, so that a
// drifting machine affects all. For each number of ranks, a few rounds of ours, Open MPI, gloo and
// the memory bandwidth limit. Results are medians over the rounds of a setting.

import { availableParallelism } from 'node:os';
import { RunError } from '../src/base/errors.ts';
import type { ArrayMemory, DType } from './jobs/collectives.ts';
import type { Measured, Peer, Round, Side } from './sides.ts';
import { summarize } from './stats.ts';
import { LIMIT_MIN_BYTES, prepareStreams } from './streams.ts';

/** One number of ranks. */
export interface CollectiveSetting {
  readonly ranks: number;
  /** Sizes of one rank's array; empty for the barrier. */
  readonly bytes: readonly number[];
  readonly dtypes: readonly DType[];
}

export interface CollectiveTimes {
  /** For each side of each setting, over all rounds. */
  readonly seconds: number;
  readonly rounds: number;
  /** Of each round. */
  readonly warmUpSeconds: number;
}

/** The sides, the callback for a peer that fails, and how to measure the limit. */
export interface CollectiveSides {
  readonly sides: readonly Side[];
  onFailure(side: Side, error: RunError): void;
  /** bench/jobs/streams.ts and its loops, compiled; null measures no limit. */
  readonly limit: { readonly job: string; readonly module: WebAssembly.Module } | null;
}

/** One side of one number of ranks. */
export interface BarrierResult {
  readonly bench: 'barrier';
  readonly ranks: number;
  readonly us: number;
  readonly usMin: number;
  readonly usP99: number;
  readonly peer: Peer | null;
}

/** One side of one setting. */
export interface AllReduceResult {
  readonly bench: 'all-reduce';
  readonly ranks: number;
  /** Of one rank's array. */
  readonly bytes: number;
  readonly dtype: DType;
  /** The median, by rank 0's clock. */
  readonly us: number;
  readonly usMin: number;
  readonly usP99: number;
  /** At the median: each of the ranks' arrays read once and written once. Null for one rank, which
   * has nothing to move. */
  readonly gbPerSecond: number | null;
  /** Fraction of the bandwidth limit; null for arrays that are too small for one. */
  readonly ofBandwidth: number | null;
  /** For ours, where the arrays are. Null for peers. */
  readonly memory: ArrayMemory | null;
  readonly peer: Peer | null;
}

/** Batches of short calls last this long, so that reading the clock takes less than 1 %. */
const TARGET_US = 20;
/** For ranks that share cores: calls are long, and their medians steady. */
const OVERSUBSCRIBED_ROUNDS = 2;

/** Measures one number of ranks. Throws if our result is wrong; a peer that fails has no result. */
export async function measureCollectives(
  setting: CollectiveSetting,
  times: CollectiveTimes,
  { sides, onFailure, limit }: CollectiveSides,
): Promise<readonly (AllReduceResult | BarrierResult)[]> {
  const { ranks, bytes } = setting;
  const hasCores = ranks <= availableParallelism();
  const rounds = hasCores ? times.rounds : Math.min(times.rounds, OVERSUBSCRIBED_ROUNDS);
  const seconds = times.seconds / rounds;
  const { warmUpSeconds } = times;
  const round: Round = { ...setting, seconds, warmUpSeconds, targetUs: hasCores ? TARGET_US : 0 };
  const limited = bytes.filter((size) => ranks > 1 && size >= LIMIT_MIN_BYTES);
  const streams = limit === null ? null : prepareStreams({ ...limit, ranks, bytes: limited });
  const measured = new Map<Side, readonly Measured[]>(sides.map((side) => [side, []]));
  const limits: (readonly number[])[] = [];
  for (let i = 0; i < rounds; i++) {
    for (const [side, before] of measured) {
      try {
        measured.set(side, [...before, ...(await side.measure(round))]);
      } catch (error) {
        if (side.label === null || !(error instanceof RunError)) throw error;
        measured.delete(side);
        onFailure(side, error);
      }
    }
    if (streams !== null) limits.push(await streams.measure(seconds, warmUpSeconds));
  }
  const limitOf = (size: number): number | null => {
    const at = limits.length === 0 ? -1 : limited.indexOf(size);
    return at < 0 ? null : summarize(limits.map((rates) => rates[at]!)).p50;
  };
  return [...measured.values()].flatMap(combineRounds).map((of) => resultOf(ranks, of, limitOf));
}

/** Combines the rounds of each setting of one side. */
function combineRounds(rounds: readonly Measured[]): readonly Measured[] {
  const groups = new Map<string, Measured[]>();
  for (const round of rounds) {
    const key = `${round.bytes} ${round.dtype} ${round.memory}`;
    groups.set(key, [...(groups.get(key) ?? []), round]);
  }
  return [...groups.values()].map((group) => ({
    ...group[0]!,
    us: {
      min: Math.min(...group.map(({ us }) => us.min)),
      p50: summarize(group.map(({ us }) => us.p50)).p50,
      p99: summarize(group.map(({ us }) => us.p99)).p50,
    },
  }));
}

function resultOf(
  ranks: number,
  { peer, bytes, dtype, memory, us }: Measured,
  limitOf: (bytes: number) => number | null,
): AllReduceResult | BarrierResult {
  const time = { us: round(us.p50), usMin: round(us.min), usP99: round(us.p99) };
  if (bytes === null || dtype === null) return { bench: 'barrier', ranks, ...time, peer };
  const bytesPerSecond = (2 * ranks * bytes * 1e6) / us.p50;
  const limit = limitOf(bytes);
  return {
    bench: 'all-reduce',
    ranks,
    bytes,
    dtype,
    ...time,
    gbPerSecond: ranks === 1 ? null : round(bytesPerSecond / 1e9),
    ofBandwidth: limit === null ? null : round(bytesPerSecond / limit),
    memory,
    peer,
  };
}

/** More than four digits would not be meaningful. */
const DIGITS = 4;

function round(value: number): number {
  return Number(value.toPrecision(DIGITS));
}
