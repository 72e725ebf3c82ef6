// Bundles the campaigns as plain JavaScript and runs them, like scripts/bench.mjs; threads and
// commands that they start are the built ones.
import { pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const outfile = 'node_modules/.cache/syncbn-campaign/main.mjs';
await bundle('test/campaign/main.ts', outfile);
process.argv[1] = outfile;
await import(pathToFileURL(outfile).href);
