// Runs the benchmarks as plain JavaScript. A loader that translates on the fly would translate the
// threads' code, too, and slow down what is measured (a barrier of two threads from 0.2 to 0.8 us).
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const outfile = 'node_modules/.cache/syncbn-bench/main.mjs';
await build({
  entryPoints: ['bench/main.ts'],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'error',
  // Paths relative to a source file of bench hold wherever the bundle lies.
  define: { 'import.meta.url': JSON.stringify(pathToFileURL('bench/main.ts').href) },
});
await import(pathToFileURL(outfile).href);
