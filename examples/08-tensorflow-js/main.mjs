// SyncBN for TensorFlow.js: `launch` runs job.mjs on every worker, where `normsFor` makes batch
// normalizations over all of them, and a custom gradient turns these into operations of
// TensorFlow.js. The run is repeated with 1, 2 and 3 workers on the same batches: losses and
// accuracy are equal up to float32 rounding, while separate batch normalization of each shard would
// differ. Run it with: npm install @tensorflow/tfjs && node examples/08-tensorflow-js/main.mjs

import { launch } from 'syncbn';

const isSmall = process.env.EXAMPLE_SIZE === 'small';
const args = { batch: 24, steps: isSmall ? 4 : 60, learningRate: 0.05, classes: 4, size: 8 };
const job = new URL('./job.mjs', import.meta.url);

const runs = [];
for (const workers of isSmall ? [1, 2] : [1, 2, 3]) {
  // One result per worker, in rank order; here they are all equal.
  /** @type {{ losses: number[], accuracy: number }[]} */
  const [{ losses, accuracy }] = await launch(job, { workers, args });
  runs.push(losses);
  const [first, last] = [losses[0], losses.at(-1)].map((loss) => loss.toFixed(6));
  const score = `${(100 * accuracy).toFixed(1)} %`;
  console.log(`${workers} worker(s): loss ${first} to ${last}, test accuracy ${score}`);
}

const [alone, ...others] = runs;
const differences = others.flatMap((losses) => losses.map((loss, i) => Math.abs(loss - alone[i])));
console.log(`largest difference from one worker: ${Math.max(...differences).toExponential(1)}`);
