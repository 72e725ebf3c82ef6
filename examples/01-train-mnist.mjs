// Trains a small convolutional network on MNIST with synchronized batch normalization: 8 simulated
// devices with 16 images each, on one thread per core. Then it measures the accuracy on the test
// digits and predicts one of them. Run it with: node examples/01-train-mnist.mjs

import { mnist, nn, optim, Trainer } from 'syncbn';

const isSmall = process.env.EXAMPLE_SIZE === 'small';
const data = await mnist();
const [height, width] = data.inputShape;

const model = nn.sequential([
  nn.conv2d(1, 16, { kernel: 3, padding: 1, bias: false }),
  nn.batchNorm(16),
  nn.relu(),
  nn.maxPool({ kernel: 2 }),
  nn.conv2d(16, 32, { kernel: 3, padding: 1, bias: false }),
  nn.batchNorm(32),
  nn.relu(),
  nn.maxPool({ kernel: 2 }),
  nn.flatten(),
  nn.linear(7 * 7 * 32, 10),
]);

const trainer = await Trainer.start({
  // 'local' gives each device its own statistics; 'group' needs no synchronization.
  model: nn.convertNorm(model, { to: 'sync' }),
  data,
  optimizer: optim.sgd({ lr: 0.02, momentum: 0.9 }),
  replicas: 8,
  replicaBatch: 16,
  seed: 1,
});
console.log(`${trainer.replicas} replicas on ${trainer.workers} workers`);

const fit = trainer.fit({ epochs: 1, progressEveryMs: 1000, ...(isSmall && { maxSteps: 30 }) });
for await (const { step, totalSteps, loss, accuracy, imagesPerSecond } of fit) {
  const speed = Math.round(imagesPerSecond);
  console.log(
    `step ${step}/${totalSteps}  loss ${loss.toFixed(3)}  ${percent(accuracy)}  ${speed} images/s`,
  );
}

const { accuracy, count, seconds } = await trainer.evaluate();
console.log(`\ntest accuracy ${percent(accuracy)} of ${count} digits, ${seconds.toFixed(1)} s\n`);

// A prediction is a row of logits, one per class; the largest wins.
const digit = data.test.inputs.subarray(0, height * width);
const logits = await trainer.predict(digit);
const shades = ' .:-=+*#%@';
for (let y = 0; y < height; y += 2) {
  const row = digit.subarray(y * width, (y + 1) * width);
  console.log(Array.from(row, (grey) => shades[Math.floor(grey / 25.6)]).join(''));
}
console.log(`predicted ${logits.indexOf(Math.max(...logits))}, label ${data.test.targets[0]}`);
await trainer.close();

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}
