// A JavaScript library as a peer for training speed: the closest version of the reference net, one
// thread, one fixed random batch. Arguments: the library, its main file, the batch. Each line of
// standard input is a number of seconds to measure; each answer is a JSON line, the first one for
// the warm-up.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
const SIZE = 28;
const CLASSES = 10;
const MOMENTUM = 0.9;
const [library, main, batchText] = process.argv.slice(2);
const batch = Number(batchText);

/** Channels and stride of the three 3x3 convolutions. */
const CONVOLUTIONS = [
  [16, 1],
  [32, 2],
  [32, 1],
];

/** Without normalization, a rate of 0.1 would diverge, and computing with infinities would not be a
 * fair comparison. */
function convnetjsStep(convnetjs) {
  const net = new convnetjs.Net();
  net.makeLayers([
    { type: 'input', out_sx: SIZE, out_sy: SIZE, out_depth: 1 },
    ...CONVOLUTIONS.map(([filters, stride]) => ({
      type: 'conv',
      sx: 3,
      filters,
      stride,
      pad: 1,
      activation: 'relu',
    })),
    { type: 'pool', sx: SIZE / 2, stride: SIZE / 2 },
    { type: 'softmax', num_classes: CLASSES },
  ]);
  const trainer = new convnetjs.SGDTrainer(net, {
    learning_rate: 0.01,
    momentum: MOMENTUM,
    batch_size: batch,
    l2_decay: 0,
  });
  const images = Array.from({ length: batch }, () => {
    const image = new convnetjs.Vol(SIZE, SIZE, 1, 0);
    for (let i = 0; i < image.w.length; i++) image.w[i] = 2 * Math.random() - 1;
    return image;
  });
  return () => {
    let loss = 0;
    for (const [i, image] of images.entries()) loss += trainer.train(image, i % CLASSES).loss;
    return loss / batch;
  };
}

async function tfjsStep(tf) {
  await tf.setBackend('cpu');
  const { layers } = tf;
  const model = tf.sequential();
  for (const [i, [filters, strides]] of CONVOLUTIONS.entries()) {
    const inputShape = i === 0 ? { inputShape: [SIZE, SIZE, 1] } : {};
    const conv = { filters, strides, kernelSize: 3, padding: 'same', useBias: false };
    model.add(layers.conv2d({ ...conv, ...inputShape }));
    model.add(layers.batchNormalization());
    model.add(layers.reLU());
  }
  model.add(layers.globalAveragePooling2d({}));
  model.add(layers.dense({ units: CLASSES, activation: 'softmax' }));
  const optimizer = tf.train.momentum(0.1, MOMENTUM);
  model.compile({ optimizer, loss: 'categoricalCrossentropy' });
  const images = tf.randomNormal([batch, SIZE, SIZE, 1]);
  const labels = tf.oneHot(
    Array.from({ length: batch }, (_, i) => i % CLASSES),
    CLASSES,
  );
  return () => model.trainOnBatch(images, labels);
}

/** Milliseconds of each step, for about this long; at least one step. */
async function timeSteps(step, durationMs) {
  const durationsMs = [];
  const startMs = performance.now();
  do {
    const beforeMs = performance.now();
    const loss = await step();
    durationsMs.push(performance.now() - beforeMs);
    if (!Number.isFinite(loss)) throw new Error(`${library}: the loss became ${loss}`);
  } while (performance.now() - startMs < durationMs);
  return durationsMs.sort((a, b) => a - b);
}

// Some libraries print a greeting on standard output, which is for the answers.
console.log = console.error;
console.warn = console.error;
const module = require(main);
const step = library === 'convnetjs' ? convnetjsStep(module) : await tfjsStep(module);
for await (const line of createInterface({ input: process.stdin })) {
  const ms = await timeSteps(step, Number(line) * 1000);
  const at = (share) => ms[Math.max(Math.ceil(share * ms.length), 1) - 1];
  const msPerStep = { min: ms[0], p50: at(0.5), p99: at(0.99) };
  const imagesPerSecond = (batch * 1000) / msPerStep.p50;
  process.stdout.write(`${JSON.stringify({ imagesPerSecond, msPerStep })}\n`);
}
