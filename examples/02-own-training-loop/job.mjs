// What every worker runs: logistic regression on batch-normalized features, in plain JavaScript.
// Each worker has a shard of every batch. Whatever is a sum over the batch (count and sum, centred
// squares, gradient and loss) is summed over all workers, so that all of them make the same step.

const FEATURES = 8;
const EPS = 1e-5;

export default function job({ rank, worldSize, group, args: { batch, steps, learningRate } }) {
  const weight = new Float64Array(FEATURES);
  const losses = [];
  for (let step = 0; step < steps; step++) {
    // The samples step * batch + i whose i belongs to this worker; shards may differ in size.
    const shard = [];
    for (let i = rank; i < batch; i += worldSize) shard.push(makeSample(step * batch + i));

    // Mean: the sums and the count over all workers.
    const sums = new Float64Array(FEATURES + 1);
    for (const { x } of shard) {
      for (let j = 0; j < FEATURES; j++) sums[j] += x[j];
      sums[FEATURES]++;
    }
    group.allReduce(sums, 'sum');
    const count = sums[FEATURES];
    const mean = sums.map((sum) => sum / count);

    // Variance: the squares about the mean that all workers agree on, never E[x^2] - E[x]^2.
    const squares = new Float64Array(FEATURES);
    for (const { x } of shard) {
      for (let j = 0; j < FEATURES; j++) squares[j] += (x[j] - mean[j]) ** 2;
    }
    group.allReduce(squares, 'sum');
    const invStd = squares.map((square) => 1 / Math.sqrt(square / count + EPS));

    // Forward and backward in one: the gradient's sums, and behind them that of the loss.
    const gradient = new Float64Array(FEATURES + 1);
    for (const { x, label } of shard) {
      const xhat = x.map((value, j) => (value - mean[j]) * invStd[j]);
      const logit = xhat.reduce((sum, value, j) => sum + value * weight[j], 0);
      const probability = 1 / (1 + Math.exp(-logit));
      for (let j = 0; j < FEATURES; j++) gradient[j] += (probability - label) * xhat[j];
      gradient[FEATURES] -= Math.log(label === 1 ? probability : 1 - probability);
    }
    group.allReduce(gradient, 'sum');
    losses.push(gradient[FEATURES] / count);
    for (let j = 0; j < FEATURES; j++) weight[j] -= (learningRate * gradient[j]) / count;
  }
  return losses;
}

/** Features of very different scales, feature j about 10^j; the label is a noisy linear rule. */
function makeSample(index) {
  const random = Array.from({ length: FEATURES + 1 }, (_, j) => uniform(index * 31 + j));
  const score = random.reduce((sum, value, j) => sum + (j % 2 === 0 ? value : -value), 0);
  return { x: random.slice(0, FEATURES).map((u, j) => (100 + u) * 10 ** j), label: +(score > 0) };
}

/** A number in [-1, 1) that depends on the index alone (a multiplicative hash). */
function uniform(index) {
  let bits = Math.imul(index + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 15), 0x85ebca6b);
  return ((bits ^ (bits >>> 13)) >>> 0) / 2 ** 31 - 1;
}
