// Your own layer in a model: swish.mjs exports a function that returns a layer, and nn.custom(url,
// options) adds it to a model. Its parameters are trained, saved and hashed like all others, and
// the bits are the same for any number of workers. Run it with: node examples/04-own-layer/main.mjs

import { nn, optim, synthetic, Trainer } from 'syncbn';

const isSmall = process.env.EXAMPLE_SIZE === 'small';
const data = synthetic({ train: isSmall ? 400 : 4000, shape: [8, 8, 3], separation: 0.8 });
const swish = () => nn.custom(new URL('./swish.mjs', import.meta.url), { start: 1 });

const model = nn.sequential([
  nn.conv2d(3, 8, { kernel: 3, padding: 1, bias: false }),
  nn.batchNorm(8, { sync: 'all' }),
  swish(),
  nn.conv2d(8, 16, { kernel: 3, stride: 2, padding: 1, bias: false }),
  nn.batchNorm(16, { sync: 'all' }),
  swish(),
  nn.globalAvgPool(),
  nn.linear(16, 10),
]);

const hashes = [];
for (const workers of [1, 2]) {
  const trainer = await Trainer.start({
    model,
    data,
    optimizer: optim.adam({ lr: 0.01 }),
    replicas: 4,
    replicaBatch: 8,
    workers,
  });
  console.log(`\n${workers} worker(s)`);
  for await (const { epoch, loss, accuracy } of trainer.fit({ epochs: 3 })) {
    console.log(`epoch ${epoch}  loss ${loss.toFixed(4)}  ${(100 * accuracy).toFixed(1)} %`);
  }
  const { accuracy } = await trainer.evaluate();
  console.log(`test accuracy ${(100 * accuracy).toFixed(1)} %`);
  for (const [name, { values }] of trainer.weights()) {
    if (!name.endsWith('slope')) continue;
    console.log(`${name}: ${Array.from(values.subarray(0, 8), (v) => v.toFixed(2)).join(' ')}`);
  }
  hashes.push(trainer.weightsHash());
  await trainer.close();
}
console.log(`\nequal weights on 1 and 2 workers: ${hashes[0] === hashes[1]}`);
