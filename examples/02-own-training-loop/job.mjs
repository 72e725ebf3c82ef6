// What every worker runs: logistic regression on batch-normalized features, in plain JavaScript.
// Each worker has a shard of every batch. The normalization uses statistics over all shards, and
// the gradient and the loss are summed over all workers, so all of them make the same step.

import { normsFor } from 'syncbn';

const FEATURES = 8;

export default function job({ rank, worldSize, group, args: { batch, steps, learningRate } }) {
  const bn = normsFor(group).batchNorm(FEATURES);
  // The normalization weights the features, and their sum is the logit.
  const weight = new Float32Array(FEATURES);
  const losses = [];
  for (let step = 0; step < steps; step++) {
    // The samples step * batch + i with i in this worker's shard; shards may differ in size.
    const shard = [];
    for (let i = rank; i < batch; i += worldSize) shard.push(makeSample(step * batch + i));

    const { y, saved } = bn.forward(Float32Array.from(shard.flatMap(({ x }) => x)), { weight });
    const dy = new Float32Array(y.length);
    let loss = 0;
    for (const [i, { label }] of shard.entries()) {
      const row = i * FEATURES;
      const logit = y.subarray(row, row + FEATURES).reduce((sum, value) => sum + value, 0);
      const probability = 1 / (1 + Math.exp(-logit));
      dy.fill((probability - label) / batch, row, row + FEATURES);
      loss -= Math.log(label === 1 ? probability : 1 - probability) / batch;
    }
    // This worker's sums, then those of all workers. A layer before this one would need dx:
    // `bn.backward`.
    const { weightGrad } = bn.parameterGradients(dy, saved);
    const sums = group.allReduce(Float64Array.of(...weightGrad, loss), 'sum');
    for (let j = 0; j < FEATURES; j++) weight[j] -= learningRate * sums[j];
    losses.push(sums[FEATURES]);
  }
  return losses;
}

/** Features with very different scales, feature j about 10^j; the label is a noisy linear rule. */
function makeSample(index) {
  const random = Array.from({ length: FEATURES + 1 }, (_, j) => uniform(index * 31 + j));
  const score = random.reduce((sum, value, j) => sum + (j % 2 === 0 ? value : -value), 0);
  return { x: random.slice(0, FEATURES).map((u, j) => (100 + u) * 10 ** j), label: +(score > 0) };
}

/** A number in [-1, 1) that depends only on the index (a multiplicative hash). */
function uniform(index) {
  let bits = Math.imul(index + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 15), 0x85ebca6b);
  return ((bits ^ (bits >>> 13)) >>> 0) / 2 ** 31 - 1;
}
