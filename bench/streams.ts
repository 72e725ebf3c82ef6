// The memory bandwidth limit of an in-place all-reduce. R arrays of n bytes must be read once and
// written once, 2 * R * n bytes. One thread per core (at most R) moves its part simultaneously,
// each in its own share of R * n bytes, with loops that do nothing else: memory.copy, an update in
// place, and the sum of two arrays written to both. The limit is the fastest of the three.
// Synchronization is excluded as far as possible; caches are not.

import { availableParallelism } from 'node:os';
import { launch } from '../src/collectives.ts';
import { assemble } from './assemble.ts';
import type { StreamArgs } from './jobs/streams.ts';

/** For smaller arrays, an all-reduce is limited by latency, not by bandwidth. */
export const LIMIT_MIN_BYTES = 65_536;
const PAGE_BYTES = 65_536;

const VECTORS = [0, 16, 32, 48];
/** How much of each array one loop iteration moves. */
const BLOCK_BYTES = 64;

const SOURCE = `
export function copy(to: usize, from: usize, size: usize): void {
  memory.copy(to, from, size);
}
export function update(a: usize, size: usize): void {
  const one = f32x4.splat(1);
  for (const end = a + size; a != end; a += ${BLOCK_BYTES}) {
    ${VECTORS.map((at) => `v128.store(a, f32x4.add(v128.load(a, ${at}), one), ${at});`).join(' ')}
  }
}
export function sumToBoth(a: usize, b: usize, size: usize): void {
  for (const end = a + size; a != end; a += ${BLOCK_BYTES}, b += ${BLOCK_BYTES}) {
    ${VECTORS.map(
      (at, i) => `const s${i} = f32x4.add(v128.load(a, ${at}), v128.load(b, ${at}));
      v128.store(a, s${i}, ${at}); v128.store(b, s${i}, ${at});`,
    ).join(' ')}
  }
}
`;

/** What the threads of one number of ranks stream through. */
export interface Streams {
  /** Bytes per second, read and written together, for each array size. */
  measure(seconds: number, warmUpSeconds: number): Promise<readonly number[]>;
}

export function compileStreams(): WebAssembly.Module {
  return assemble(SOURCE);
}

/** `bytes` are sizes of one rank's array; `job` is bench/jobs/streams.ts, compiled. */
export function prepareStreams(setting: {
  readonly job: string;
  readonly module: WebAssembly.Module;
  readonly ranks: number;
  readonly bytes: readonly number[];
}): Streams {
  const { job, module, ranks, bytes } = setting;
  if (bytes.length === 0) return { measure: async () => [] };
  const pages = Math.ceil((ranks * Math.max(...bytes)) / PAGE_BYTES) + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const workers = Math.min(ranks, availableParallelism());
  const totals = bytes.map((size) => ranks * size);
  return {
    measure: async (seconds, warmUpSeconds) => {
      const args: StreamArgs = { module, memory, totals, seconds, warmUpSeconds };
      const [limits] = await launch<readonly number[]>(job, { workers, args });
      return limits!;
    },
  };
}
