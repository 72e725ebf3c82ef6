// The benchmarks' jobs as plain JavaScript: threads do not load TypeScript, and measurements should
// not depend on other translators.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const JOBS = new URL('./jobs/', import.meta.url);

/** Bundles bench/jobs/`name`.ts into a folder and returns the path. */
export async function compileJob(name: string, folder: string): Promise<string> {
  const outfile = join(folder, `${name}.mjs`);
  await build({
    entryPoints: [fileURLToPath(new URL(`${name}.ts`, JOBS))],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
  });
  return outfile;
}
