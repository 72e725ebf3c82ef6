// Runs deeds of job.ts on real threads.

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createFixture } from '../kernelFixture.ts';
import { bundle, ROOT, writeCached } from '../ranks/threads.ts';
import { launchBuilt } from '../runs/launchBuilt.ts';
import type { Deed } from './job.ts';

const KERNELS = ['collectives.wasm', 'strict.wasm'];

let built: Promise<URL> | undefined;

/** The job, in a package of its own, which has the kernels. */
async function buildJob(): Promise<URL> {
  // Compiles the kernels if their sources are newer.
  createFixture('strict', 1);
  const job = await bundle('test/support/direct/job.ts', 'direct/job');
  const imports: Record<string, string> = {};
  for (const name of KERNELS) {
    const binary = await readFile(join(ROOT, 'dist/kernels', name));
    await writeCached(join(dirname(job), name), binary);
    imports[`#kernels/${name}`] = `./${name}`;
  }
  const manifest = { type: 'module', imports };
  await writeCached(join(dirname(job), 'package.json'), JSON.stringify(manifest));
  return pathToFileURL(job);
}

/** What a deed gives on each of so many ranks. */
export async function onRanks<T>(workers: number, deed: Deed, args: object = {}): Promise<T[]> {
  built ??= buildJob();
  const job = await built;
  const launch = await launchBuilt();
  return launch<T>(job, { workers, args: { ...args, deed } });
}
