// Jobs of launch in TypeScript, made what a user's are.

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createFixture } from '../kernelFixture.ts';
import { bundle, ROOT, writeCached } from '../ranks/threads.ts';

const KERNELS = ['collectives.wasm', 'strict.wasm'];

/** Bundles a job to `name`.mjs, in a package of its own, which has the kernels. */
export async function bundleJob(source: string, name: string): Promise<URL> {
  // Compiles the kernels if their sources are newer.
  createFixture('strict', 1);
  const job = await bundle(source, name);
  const imports: Record<string, string> = {};
  for (const kernels of KERNELS) {
    const binary = await readFile(join(ROOT, 'dist/kernels', kernels));
    await writeCached(join(dirname(job), kernels), binary);
    imports[`#kernels/${kernels}`] = `./${kernels}`;
  }
  const manifest = { type: 'module', imports };
  await writeCached(join(dirname(job), 'package.json'), JSON.stringify(manifest));
  return pathToFileURL(job);
}
