// Threads for tests: bundles a worker's source, since threads run built files, and runs one
// scenario on every rank of a small group.

import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { writeWhole } from '../../../src/base/wholeFile.ts';
import { compileCollectiveKernels } from '../../../src/kernels/load.ts';
import { unpackError } from '../../../src/runtime/thrown.ts';
import type { Scenario } from './rankWorker.ts';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Where built test workers lie; below node_modules, so that nothing else looks at them. */
export const CACHE = join(ROOT, 'node_modules/.cache/syncbn-test');

/** Writes a file of the cache. Two processes may write the same at a time while a third reads. */
export async function writeCached(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeWhole(path, 'a file of the cache', content);
}

/** Bundles a source file of this project, named from its root, to `name`.mjs in the cache. */
export async function bundle(source: string, name: string): Promise<string> {
  const outfile = join(CACHE, `${name}.mjs`);
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, source)],
    write: false,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
  });
  await writeCached(outfile, outputFiles[0]!.contents);
  return outfile;
}

/** How a rank ended. */
export interface Outcome {
  readonly value?: unknown;
  readonly error?: Error;
  /** When, on the clock that all threads share. */
  readonly atMs: number;
}

let rankWorker: Promise<string> | undefined;
let kernels: WebAssembly.Module | undefined;

/** Runs a scenario on every rank, each in its own thread, and returns how each ended. */
export async function runRanks(
  worldSize: number,
  scenario: Scenario,
  args: object,
): Promise<Outcome[]> {
  rankWorker ??= bundle('test/support/ranks/rankWorker.ts', 'rankWorker');
  kernels ??= compileCollectiveKernels();
  const file = await rankWorker;
  const ranks = Array.from({ length: worldSize }, (_, rank) => rank);
  return Promise.all(
    ranks.map(
      (rank) =>
        new Promise<Outcome>((resolve, reject) => {
          const worker = new Worker(file, { workerData: { scenario, rank, kernels, ...args } });
          worker.on('error', reject);
          worker.on('message', ({ value, thrown, atMs }) =>
            resolve(thrown === undefined ? { value, atMs } : { error: unpackError(thrown), atMs }),
          );
        }),
    ),
  );
}

/** Waits for a condition, without assuming how long that takes. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Milliseconds on a clock that all threads share. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
