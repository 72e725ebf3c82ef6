// What every worker runs: a small convolutional net in TensorFlow.js with syncbn's batch
// normalizations, whose statistics span the shards of all workers. TensorFlow.js differentiates
// everything else. The gradients are summed over the workers, so all of them make the same step.

import * as tf from '@tensorflow/tfjs';
import { normsFor, synthetic } from 'syncbn';

const CHANNELS = [8, 16];

/** The values of a tensor in memory order. */
const floats = (tensor) => tensor.dataSync();

/** A batch normalization of syncbn as an operation of TensorFlow.js with a custom gradient. Both
 * have channels last: an image batch [N, H, W, C] is N H W rows in memory. */
function batchNorm(bn, x, weight, bias) {
  const operation = (x, weight, bias) => {
    const parameters = { weight: floats(weight), bias: floats(bias) };
    const { y, saved } = bn.forward(floats(x), parameters);
    return {
      value: tf.tensor(y, x.shape),
      gradFunc: (dy) => {
        const { dx, weightGrad, biasGrad } = bn.backward(floats(dy), saved);
        const sums = [weightGrad, biasGrad].map((own) => tf.tensor1d(Float32Array.from(own)));
        return [tf.tensor(dx, x.shape), ...sums];
      },
    };
  };
  return tf.customGrad(operation)(x, weight, bias);
}

/** The net: its variables, equal on all workers, and its logits in training and in evaluation. */
function makeNet(group, classes) {
  const norms = normsFor(group);
  const bns = CHANNELS.map((channels, i) => norms.batchNorm(channels, { name: `bn${i}` }));
  /** @returns {any} */
  const random = (shape, scale, seed) =>
    tf.variable(tf.randomNormal(shape, 0, scale, 'float32', seed));
  const kernels = [random([3, 3, 1, 8], 0.3, 1), random([3, 3, 8, 16], 0.1, 2)];
  const weights = CHANNELS.map((channels) => tf.variable(tf.ones([channels])));
  const biases = CHANNELS.map((channels) => tf.variable(tf.zeros([channels])));
  const dense = random([16, classes], 0.2, 3);
  const normalize = (i, x, isTraining) => {
    if (isTraining) return batchNorm(bns[i], x, weights[i], biases[i]);
    // Uses the running statistics, which training has updated equally on all workers.
    const parameters = { weight: floats(weights[i]), bias: floats(biases[i]) };
    return tf.tensor(bns[i].evaluate(floats(x), parameters), x.shape);
  };
  const logits = (images, isTraining) => {
    let x = images;
    for (const [i, kernel] of kernels.entries()) {
      x = tf.relu(normalize(i, tf.conv2d(x, kernel, 2, 'same'), isTraining));
    }
    return tf.matMul(tf.mean(x, [1, 2]), dense);
  };
  return { variables: [...kernels, ...weights, ...biases, dense], logits };
}

export default async function job({ rank, worldSize, group, args }) {
  const { batch, steps, learningRate, classes, size } = args;
  tf.enableProdMode(); // hides hints about other backends
  await tf.setBackend('cpu');
  const shape = [size, size, 1];
  const data = synthetic({ train: batch * 8, test: 120, shape, classes, separation: 0.5, seed: 3 });
  const net = makeNet(group, classes);
  const optimizer = tf.train.momentum(learningRate, 0.9);

  /** Samples `from` to `to`, exclusive. */
  const take = ({ inputs, targets }, from, to) => {
    const images = tf.tensor(inputs.slice(from * size ** 2, to * size ** 2), [to - from, ...shape]);
    return { images, labels: Int32Array.from(targets.subarray(from, to)) };
  };
  /** The worker's share of the mean over the batch. */
  const lossOf = ({ images, labels }) => {
    const { SUM } = tf.Reduction;
    const oneHot = tf.oneHot(labels, classes);
    const logits = net.logits(images, true);
    return tf.losses.softmaxCrossEntropy(oneHot, logits, undefined, 0, SUM).div(batch).asScalar();
  };

  const losses = [];
  for (let step = 0; step < steps; step++) {
    // The samples of the batch that belong to this worker; shards may differ in size.
    const start = (step * batch) % data.train.count;
    const [from, to] = [rank, rank + 1].map((i) => start + Math.floor((i * batch) / worldSize));
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => lossOf(take(data.train, from, to)));
      // The loss and gradients of this worker, then of all workers, in one exchange.
      const own = [...net.variables.map(({ name }) => grads[name]), value].map(floats);
      const sums = group.allReduce(Float32Array.from(own.flatMap((part) => [...part])), 'sum');
      let at = 0;
      const gradients = net.variables.map(({ name, shape, size }) => {
        at += size;
        return { name, tensor: tf.tensor(sums.slice(at - size, at), shape) };
      });
      optimizer.applyGradients(gradients);
      losses.push(sums[at]);
    });
  }

  const { images, labels } = take(data.test, 0, data.test.count);
  const found = floats(net.logits(images, false).argMax(-1));
  const hits = labels.filter((label, i) => label === found[i]).length;
  return { losses, accuracy: hits / labels.length };
}
