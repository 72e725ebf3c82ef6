// Runs the benchmarks as plain JavaScript.
import { pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const outfile = 'node_modules/.cache/syncbn-bench/main.mjs';
await bundle('bench/main.ts', outfile);
await import(pathToFileURL(outfile).href);
