// Runs deeds of job.ts on real threads: launch and the job as they are when built.

import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { launch as Launch } from '../../src/runtime/launch.ts';
import { createFixture } from '../kernels/fixture.ts';
import { bundle, CACHE, ROOT } from '../sync/threads.ts';
import type { Deed } from './job.ts';

let built: Promise<{ readonly launch: typeof Launch; readonly job: URL }> | undefined;

async function buildAll() {
  // Compiles the kernels if their sources are newer.
  createFixture('strict', 1);
  const launchFile = await bundle('src/runtime/launch.ts', 'launch');
  await bundle('workers/launch.ts', 'workers-launch');
  const job = pathToFileURL(await bundle('test/direct/job.ts', 'direct-job'));
  await copyFile(join(ROOT, 'dist/workers/thread.cjs'), join(CACHE, 'thread.cjs'));
  const imports: Record<string, string> = {
    '#workers/launch.js': './workers-launch.mjs',
    '#workers/thread.cjs': './thread.cjs',
  };
  for (const name of ['collectives.wasm', 'strict.wasm']) {
    await copyFile(join(ROOT, 'dist/kernels', name), join(CACHE, name));
    imports[`#kernels/${name}`] = `./${name}`;
  }
  await writeFile(join(CACHE, 'package.json'), JSON.stringify({ type: 'module', imports }));
  const { launch } = await import(/* @vite-ignore */ pathToFileURL(launchFile).href);
  return { launch, job };
}

/** What a deed gives on each of so many ranks. */
export async function onRanks<T>(workers: number, deed: Deed, args: object = {}): Promise<T[]> {
  built ??= buildAll();
  const { launch, job } = await built;
  return launch<T>(job, { workers, args: { ...args, deed } });
}
