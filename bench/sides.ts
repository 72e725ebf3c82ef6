// The sides of the all-reduce and barrier benchmarks: this library, Open MPI over shared memory and
// PyTorch's gloo. A side measures all settings for one number of ranks in one start of its threads
// or processes, so that sides can take turns.

import { launch } from '../src/collectives.ts';
import type { ArrayMemory, CollectiveArgs, DType, Setting } from './jobs/collectives.ts';
import type { Summary } from './stats.ts';

export type Peer = 'openmpi' | 'gloo';

/** What one start measures. */
export interface Round {
  readonly ranks: number;
  /** Sizes of one rank's array; empty for the barrier. */
  readonly bytes: readonly number[];
  readonly dtypes: readonly DType[];
  /** Time for each setting. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Least duration of a batch of calls; 0 for single calls. */
  readonly targetUs: number;
}

/** One setting of one side; times are microseconds per call. */
export interface Measured {
  readonly peer: Peer | null;
  /** These three are null for the barrier; memory also for peers. */
  readonly bytes: number | null;
  readonly dtype: DType | null;
  readonly memory: ArrayMemory | null;
  readonly us: Summary;
}

export interface Side {
  /** For messages; null is ours. */
  readonly label: string | null;
  /** Throws a RunError if a peer fails. */
  measure(round: Round): Promise<readonly Measured[]>;
}

/** Added to the ranks' arrays, since allocations are rounded up. */
const SPARE_BYTES = 2 ** 20;
const MEMORIES: readonly ArrayMemory[] = ['shared', 'private'];

/** This library; `job` is bench/jobs/collectives.ts, compiled. */
export function ourSide(job: string): Side {
  const measure: Side['measure'] = async (round) => {
    const { ranks, bytes, dtypes, seconds, warmUpSeconds, targetUs } = round;
    const reduces = settingsOf(bytes, dtypes).flatMap((setting) =>
      MEMORIES.map((memory) => ({ ...setting, memory })),
    );
    const settings: readonly Setting[] = bytes.length === 0 ? [null] : reduces;
    const args: CollectiveArgs = { settings, seconds, warmUpSeconds, targetUs };
    const sharedBytes = ranks * Math.max(0, ...bytes) + SPARE_BYTES;
    const [measured] = await launch<readonly Summary[]>(job, { workers: ranks, args, sharedBytes });
    return settings.map((setting, i) => ({
      peer: null,
      bytes: setting?.bytes ?? null,
      dtype: setting?.dtype ?? null,
      memory: setting?.memory ?? null,
      us: measured![i]!,
    }));
  };
  return { label: null, measure };
}

/** A peer's output: a JSON line for each setting, or one for the barrier. */
export function readPeer(peer: Peer, stdout: string): readonly Measured[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const { bytes = null, dtype = null, min, p50, p99 } = JSON.parse(line) as PeerLine;
      return { peer, bytes, dtype, memory: null, us: { min, p50, p99 } };
    });
}

interface PeerLine extends Summary {
  readonly bytes?: number;
  readonly dtype?: DType;
}

/** Sizes from the first to the last, both types of each. */
export function settingsOf(
  bytes: readonly number[],
  dtypes: readonly DType[],
): readonly { readonly bytes: number; readonly dtype: DType }[] {
  return bytes.flatMap((size) => dtypes.map((dtype) => ({ bytes: size, dtype })));
}
