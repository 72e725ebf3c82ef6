// A global batch that does not divide evenly: 53 samples over 8 replicas, and a last batch of 5,
// which leaves three replicas without samples. Synchronized batch normalization weighs every sample
// the same, so 8 replicas learn what 1 replica with the whole batch learns, bit for bit, on any
// number of workers. With local statistics, the number of replicas matters, but the number of
// workers still does not. Run it with: node examples/03-uneven-shards.mjs

import { nn, optim, synthetic, Trainer } from 'syncbn';

const BATCH = 53;
const isSmall = process.env.EXAMPLE_SIZE === 'small';
const data = synthetic({
  train: (isSmall ? 4 : 20) * BATCH + 5,
  shape: [12, 12, 3],
  classes: 5,
  separation: 0.9,
});
const model = nn.namedModel('refnet', { inputShape: data.inputShape, classes: 5 });

const local = { model, norm: { to: 'local' } };
const sync = { model, norm: { to: 'sync' } };
const one = await train({ ...sync, replicas: 1, workers: 1 });
const runs = [
  { name: 'sync ', ...(await train({ ...sync, replicas: 8, workers: 1 })) },
  { name: 'sync ', ...(await train({ ...sync, replicas: 8, workers: 2 })) },
  { name: 'local', ...(await train({ ...local, replicas: 8, workers: 1 })) },
  { name: 'local', ...(await train({ ...local, replicas: 8, workers: 2 })) },
];

console.log(
  `shards of a full batch: ${shardSizes(BATCH, 8)}; of the last one: ${shardSizes(5, 8)}`,
);
console.log('norm   replicas  workers  loss      weights   largest difference from 1 replica');
console.log(`sync          1        1  ${one.loss.toFixed(6)}  ${one.hash.slice(0, 8)}  -`);
for (const { name, workers, loss, hash, weights } of runs) {
  const difference = largestDifference(weights, one.weights).toExponential(1);
  console.log(
    `${name}         8        ${workers}  ${loss.toFixed(6)}  ${hash.slice(0, 8)}  ${difference}`,
  );
}
console.log(`1 and 2 workers have equal weights: ${runs[0].hash === runs[1].hash}`);

async function train(options) {
  const optimizer = optim.sgd({ lr: 0.01 });
  const trainer = await Trainer.start({ data, optimizer, globalBatch: BATCH, ...options });
  let loss = Number.NaN;
  for await (const progress of trainer.fit({ epochs: 1 })) loss = progress.loss;
  const result = { loss, hash: trainer.weightsHash(), weights: trainer.weights() };
  const { workers } = trainer;
  await trainer.close();
  return { ...result, workers };
}

/** The first replicas have one sample more if the batch does not divide evenly. */
function shardSizes(batch, replicas) {
  return Array.from({ length: replicas }, (_, i) =>
    Math.floor((batch + replicas - 1 - i) / replicas),
  );
}

/** Over all tensors, relative to the largest value of each. */
function largestDifference(weights, others) {
  const differences = [...weights].map(([name, { values }]) => {
    const other = others.get(name).values;
    const scale = Math.max(...other.map(Math.abs));
    return Math.max(...values.map((value, i) => Math.abs(value - other[i]))) / scale;
  });
  return Math.max(...differences);
}
