// launch as it is when built, from a package of its own, since threads run built files.

import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { launch as Launch } from '../../src/runtime/launch.ts';
import { bundle, CACHE, ROOT } from '../sync/threads.ts';

/** Where the built launch lies, for programs that import it. */
export const LAUNCH_FILE = join(CACHE, 'launch.mjs');

/** Builds launch and its thread, and loads it. */
export async function launchBuilt(): Promise<typeof Launch> {
  await bundle('src/runtime/launch.ts', 'launch');
  await bundle('workers/launch.ts', 'workers-launch');
  await copyFile(join(ROOT, 'dist/kernels/collectives.wasm'), join(CACHE, 'collectives.wasm'));
  await copyFile(join(ROOT, 'dist/workers/thread.cjs'), join(CACHE, 'thread.cjs'));
  const imports = {
    '#workers/launch.js': './workers-launch.mjs',
    '#workers/thread.cjs': './thread.cjs',
    '#kernels/collectives.wasm': './collectives.wasm',
  };
  await writeFile(join(CACHE, 'package.json'), JSON.stringify({ type: 'module', imports }));
  const { launch } = await import(/* @vite-ignore */ pathToFileURL(LAUNCH_FILE).href);
  return launch as typeof Launch;
}
