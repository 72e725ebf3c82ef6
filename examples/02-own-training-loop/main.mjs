// Your own training code on several threads: `launch` runs job.mjs once on every worker. A
// synchronized batch normalization and an allReduce are all they need to train one model together.
// The run is repeated with 1, 2 and 3 workers: the losses are equal up to float32 rounding, because
// batch statistics AND gradients are those of all workers. Run it with: node
// examples/02-own-training-loop/main.mjs

import { launch } from 'syncbn';

const isSmall = process.env.EXAMPLE_SIZE === 'small';
const args = { batch: isSmall ? 100 : 1000, steps: isSmall ? 50 : 500, learningRate: 0.2 };
const job = new URL('./job.mjs', import.meta.url);

const runs = [];
for (const workers of [1, 2, 3]) {
  // One result per worker, in rank order; here they are all equal.
  /** @type {number[][]} */
  const [losses] = await launch(job, { workers, args });
  runs.push({ workers, losses });
}

console.log(`step ${runs.map(({ workers }) => `     ${workers} worker(s)`).join('')}`);
for (let step = 0; step < args.steps; step += args.steps / 5) {
  const columns = runs.map(({ losses }) => losses[step].toFixed(12).padStart(16));
  console.log(`${String(step).padStart(4)} ${columns.join('')}`);
}

const [alone, ...others] = runs.map(({ losses }) => losses);
const differences = others.flatMap((losses) => losses.map((loss, i) => Math.abs(loss - alone[i])));
console.log(`\nlargest difference from one worker: ${Math.max(...differences).toExponential(1)}`);
