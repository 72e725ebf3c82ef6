// What each thread does for the bandwidth limit (bench/streams.ts): streams through its own share
// of the memory, simultaneously with all others. Timed with rank 0's clock, from one barrier to the
// next.

import type { Group, JobContext } from '../../src/collectives.ts';
import { summarize } from '../stats.ts';
import { fromRoot } from './fromRoot.ts';

export interface StreamArgs {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** How much memory all threads share, for each setting. */
  readonly totals: readonly number[];
  /** For each setting, over all loops. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

interface Kernels {
  copy(toPtr: number, fromPtr: number, sizeBytes: number): void;
  update(aPtr: number, sizeBytes: number): void;
  sumToBoth(aPtr: number, bPtr: number, sizeBytes: number): void;
}

/** One loop over one thread's share, and the bytes that it reads and writes. */
interface Stream {
  readonly movedBytes: number;
  run(): void;
}

/** Shares are whole blocks, in two halves. */
const SHARE_BYTES = 128;
/** Passes of this length outweigh the barriers around them. */
const TARGET_US = 200;
const MIN_SAMPLES = 3;

/** Bytes per second for each setting, on rank 0. */
export default function job({ group, args }: JobContext<StreamArgs>): readonly number[] {
  const { module, memory, totals, seconds, warmUpSeconds } = args;
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return totals.map((totalBytes) => {
    const streams = streamsOf(exports as unknown as Kernels, group, totalBytes);
    const rates = streams.map((stream) => {
      const warmUp = { passes: 1, seconds: warmUpSeconds / streams.length };
      const passUs = fromRoot(group, timeStream(group, stream, warmUp));
      const passes = Math.max(1, Math.ceil(TARGET_US / passUs));
      const us = timeStream(group, stream, { passes, seconds: seconds / streams.length });
      return (group.worldSize * stream.movedBytes * 1e6) / us;
    });
    return Math.max(...rates);
  });
}

function streamsOf(kernels: Kernels, group: Group, totalBytes: number): readonly Stream[] {
  const share = Math.floor(totalBytes / group.worldSize / SHARE_BYTES) * SHARE_BYTES;
  const half = share / 2;
  const ptr = group.rank * share;
  return [
    { movedBytes: 2 * share, run: () => kernels.update(ptr, share) },
    { movedBytes: 2 * share, run: () => kernels.sumToBoth(ptr, ptr + half, half) },
    { movedBytes: share, run: () => kernels.copy(ptr, ptr + half, half) },
  ];
}

/** The median time of a pass in microseconds, on rank 0. */
function timeStream(
  group: Group,
  stream: Stream,
  times: { readonly passes: number; readonly seconds: number },
): number {
  const { passes, seconds } = times;
  const endMs = performance.now() + seconds * 1000;
  const samples: number[] = [];
  let goesOn = true;
  while (goesOn) {
    group.barrier();
    const startMs = performance.now();
    for (let pass = 0; pass < passes; pass++) stream.run();
    group.barrier();
    samples.push(((performance.now() - startMs) * 1000) / passes);
    const isEnough = performance.now() >= endMs && samples.length >= MIN_SAMPLES;
    goesOn = fromRoot(group, isEnough ? 0 : 1) === 1;
  }
  return summarize(samples).p50;
}
