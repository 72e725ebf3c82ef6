// A launch under a launcher of MPI: prints a hash of what every rank has found, or the error.

import { createHash } from 'node:crypto';
import { launch } from '../../../dist/collectives.js';

const [url, options] = process.argv.slice(2);

/** Typed arrays by their bytes. */
const shown = (_, value) =>
  ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
    : value;

try {
  const results = await launch(url, JSON.parse(options));
  const hash = createHash('sha256').update(JSON.stringify(results, shown)).digest('hex');
  console.log(JSON.stringify({ event: 'results', ranks: results.length, hash }));
} catch ({ message }) {
  console.log(JSON.stringify({ event: 'error', message }));
  process.exitCode = 1;
}
