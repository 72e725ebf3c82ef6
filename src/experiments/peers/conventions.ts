// Imitates how other systems compute synchronized batch normalization, for one channel: statistics,
// output, running variance and the gradient that training uses, in float32 wherever they use it.
// Formulas are from their sources. Only the order of summation is ours (pairwise, like on their
// devices).

const f = Math.fround;

/** One channel of a global batch. */
export interface ChannelBatch {
  /** The values of each rank; ranks may have different numbers of them, or none. */
  readonly shards: readonly Float32Array[];
  /** For each value, the gradient of its sample's loss with respect to the output. */
  readonly gradients: readonly Float32Array[];
  readonly eps: number;
  /** The weight of the new statistics in the running ones, as in PyTorch. */
  readonly momentum: number;
  readonly runningVar: number;
}

/** A system's results for a channel. NaN if it has no answer. */
export interface ChannelResult {
  readonly mean: number;
  /** Biased, as used to normalize. */
  readonly variance: number;
  /** Normalized values of each rank, without weight and bias. */
  readonly outputs: readonly Float32Array[];
  /** After the step. */
  readonly runningVar: number;
  /** Gradient of the loss over the global batch for the norm's weight, as the optimizer sees it. */
  readonly weightGrad: number;
}

/** Statistics over all ranks. */
interface Merged {
  readonly mean: number;
  readonly variance: number;
  /** The variance that the running variance is updated with. */
  readonly observed: number;
}

/** A system's way of computing. */
export interface Convention {
  readonly name: string;
  readonly title: string;
  /** Descriptions for tables. */
  readonly words: {
    readonly statistic: string;
    readonly ranks: string;
    readonly running: string;
    readonly gradient: string;
  };
  readonly merge: (shards: readonly Float32Array[], eps: number) => Merged;
  /** `centered`: (x - mean) invStd; `scaled`: x invStd - mean invStd. */
  readonly output: 'centered' | 'scaled';
  /** `blend`: (1 - momentum) old + momentum new; `increment`: old + momentum (new - old). */
  readonly update: 'blend' | 'increment';
  /** Whether each rank's mean loss has the same weight, or each sample's loss. */
  readonly weighs: 'ranks' | 'samples';
}

/** The pairwise sum of `of(x)` in float32. */
function sum32(values: Float32Array, of: (x: number) => number = (x) => x): number {
  const { length } = values;
  if (length === 0) return 0;
  if (length === 1) return f(of(values[0]!));
  const half = Math.ceil(length / 2);
  return f(sum32(values.subarray(0, half), of) + sum32(values.subarray(half), of));
}

const square32 = (x: number): number => f(x * x);

/** E[x] and E[x^2] of a rank; NaN without values. */
function means32(values: Float32Array): { readonly mean: number; readonly square: number } {
  const { length } = values;
  return { mean: f(sum32(values) / length), square: f(sum32(values, square32) / length) };
}

/** Mean and sum of squared deviations (Welford 1962), updated per value in float32. */
function welford32(values: Float32Array): { readonly mean: number; readonly m2: number } {
  let [mean, m2] = [0, 0];
  for (const [i, x] of values.entries()) {
    const delta = f(x - mean);
    mean = f(mean + f(delta / (i + 1)));
    m2 = f(m2 + f(delta * f(x - mean)));
  }
  return { mean, m2 };
}

function invStd32(variance: number, eps: number): number {
  return f(1 / f(Math.sqrt(f(variance + f(eps)))));
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, n) => f(sum + n), 0);

/** ATen's batch_norm_gather_stats_with_counts: merges ranks in order, with 1/invStd^2 - eps as the
 * variance of each, and skips those without values. */
function gatherByCount(shards: readonly Float32Array[], eps: number): Merged {
  let [mean, m2, count] = [0, 0, 0];
  for (const shard of shards) {
    if (shard.length === 0) continue;
    const own = welford32(shard);
    const std = f(1 / invStd32(f(own.m2 / shard.length), eps));
    const ownM2 = f(f(f(std * std) - f(eps)) * shard.length);
    const factor = f(1 / (count + shard.length));
    const apart = f(mean - own.mean);
    const between = f(f(f(f(apart * apart) * count) * shard.length) * factor);
    m2 = f(m2 + f(ownM2 + between));
    mean = f(f(f(count * factor) * mean) + f(f(shard.length * factor) * own.mean));
    count += shard.length;
  }
  return { mean, variance: f(m2 / count), observed: f(m2 / (count - 1)) };
}

/** Apex's welford_parallel: every rank counts as if it had as many values as the first. */
function gatherAlike(shards: readonly Float32Array[]): Merged {
  let [mean, m2, count] = [0, 0, 0];
  const each = shards[0]!.length;
  for (const shard of shards) {
    const own = welford32(shard);
    const variance = f(own.m2 / shard.length);
    const apart = f(own.mean - mean);
    const share = f(each / (count + each));
    m2 = f(m2 + f(f(variance * each) + f(f(f(apart * apart) * count) * share)));
    mean = f(mean + f(apart * share));
    count += each;
  }
  const variance = f(m2 / count);
  return { mean, variance, observed: f(variance * f(count / (count - 1))) };
}

/** E[x^2] - E[x]^2, at least 0, from sums and sums of squares over all ranks. */
function sumsOfAll(shards: readonly Float32Array[]): Merged {
  const count = total(shards.map(({ length }) => length));
  const mean = f(total(shards.map((shard) => sum32(shard))) / count);
  const square = f(total(shards.map((shard) => sum32(shard, square32))) / count);
  const variance = Math.max(f(square - f(mean * mean)), 0);
  return { mean, variance, observed: variance };
}

/** E[x^2] - E[x]^2, from weighted means of each rank's E[x] and E[x^2]. */
function meansOfRanks(
  shards: readonly Float32Array[],
  weights: 'equal' | 'samples',
  least = -Infinity,
): Merged {
  const used = weights === 'equal' ? shards : shards.filter(({ length }) => length > 0);
  const weightOf = ({ length }: Float32Array): number => (weights === 'equal' ? 1 : length);
  const sumOfWeights = total(used.map(weightOf));
  const own = used.map((shard) => ({ ...means32(shard), weight: weightOf(shard) }));
  const average = (values: readonly number[]): number => f(total(values) / sumOfWeights);
  const mean = average(own.map((rank) => f(rank.mean * rank.weight)));
  const square = average(own.map((rank) => f(rank.square * rank.weight)));
  const variance = Math.max(f(square - f(mean * mean)), least);
  return { mean, variance, observed: variance };
}

const WELFORD = 'Welford, float32';
const SQUARES = 'E[x^2] - E[x]^2, float32';
const DDP = 'mean of rank means';

/** PyTorch's SyncBatchNorm under DistributedDataParallel. */
const pytorch: Convention = {
  name: 'pytorch-ddp',
  title: 'PyTorch, DDP',
  words: { statistic: WELFORD, ranks: 'by count', running: 'unbiased', gradient: DDP },
  merge: gatherByCount,
  output: 'centered',
  update: 'blend',
  weighs: 'ranks',
};

/** Keras's BatchNormalization with `synchronized`, with the loss scaled as in `fit`. */
const keras: Convention = {
  name: 'keras',
  title: 'Keras',
  words: {
    statistic: `${SQUARES}, at least 0`,
    ranks: 'by count',
    running: 'biased',
    gradient: DDP,
  },
  merge: sumsOfAll,
  output: 'scaled',
  update: 'blend',
  weighs: 'ranks',
};

/** Flax's BatchNorm with `axis_name`, fast variance and `pmean` of gradients. */
const flax: Convention = {
  name: 'flax',
  title: 'Flax',
  words: {
    statistic: `${SQUARES}, at least 0`,
    ranks: 'equally',
    running: 'biased',
    gradient: DDP,
  },
  merge: (shards) => meansOfRanks(shards, 'equal', 0),
  output: 'centered',
  update: 'blend',
  weighs: 'ranks',
};

/** Detectron2's NaiveSyncBatchNorm with stats_mode "", which rejects a rank without samples. */
const detectron2: Convention = {
  name: 'detectron2',
  title: 'Detectron2',
  words: { statistic: SQUARES, ranks: 'equally', running: 'biased', gradient: DDP },
  merge: (shards) => meansOfRanks(shards, 'equal'),
  output: 'scaled',
  update: 'increment',
  weighs: 'ranks',
};

/** Detectron2's norm with stats_mode "N"; each value here is a sample. */
const detectron2N: Convention = {
  ...detectron2,
  name: 'detectron2-n',
  title: 'Detectron2, mode N',
  words: { ...detectron2.words, ranks: 'by samples' },
  merge: (shards) => meansOfRanks(shards, 'samples'),
};

/** MXNet's contrib SyncBatchNorm; Gluon's trainer divides by the global batch. */
const mxnet: Convention = {
  name: 'mxnet',
  title: 'MXNet',
  words: {
    statistic: SQUARES,
    ranks: 'equally',
    running: 'biased',
    gradient: 'mean over samples',
  },
  merge: (shards) => meansOfRanks(shards, 'equal'),
  output: 'scaled',
  update: 'blend',
  weighs: 'samples',
};

/** The older SyncBatchNorm of NVIDIA's Apex. */
const apex: Convention = {
  name: 'apex',
  title: 'Apex',
  words: { statistic: WELFORD, ranks: 'equally', running: 'unbiased', gradient: DDP },
  merge: gatherAlike,
  output: 'centered',
  update: 'blend',
  weighs: 'ranks',
};

export const CONVENTIONS: readonly Convention[] = [
  pytorch,
  keras,
  flax,
  detectron2,
  detectron2N,
  mxnet,
  apex,
];

/** Computes a channel as a system would. */
export function computeAs(convention: Convention, batch: ChannelBatch): ChannelResult {
  const { shards, eps, momentum, runningVar } = batch;
  const { mean, variance, observed } = convention.merge(shards, eps);
  const invStd = invStd32(variance, eps);
  const shift = f(mean * invStd);
  const normalize = (x: number): number =>
    convention.output === 'centered' ? f(f(x - mean) * invStd) : f(f(x * invStd) - shift);
  const outputs = shards.map((shard) => shard.map(normalize));
  const blended =
    convention.update === 'blend'
      ? f(f(f(1 - momentum) * runningVar) + f(f(momentum) * observed))
      : f(runningVar + f(f(momentum) * f(observed - runningVar)));
  return {
    mean,
    variance,
    outputs,
    runningVar: blended,
    weightGrad: weightGradOf(convention, batch.gradients, outputs),
  };
}

/** A rank without samples adds nothing to a mean of rank means, but counts as a rank. */
function weightGradOf(
  { weighs }: Convention,
  gradients: readonly Float32Array[],
  outputs: readonly Float32Array[],
): number {
  const sums = outputs.map((own, rank) => sum32(own.map((y, i) => y * gradients[rank]![i]!)));
  const counts = outputs.map(({ length }) => length);
  if (weighs === 'samples') return f(total(sums) / total(counts));
  const means = sums.map((sum, rank) => (counts[rank] === 0 ? 0 : f(sum / counts[rank]!)));
  return f(total(means) / means.length);
}

export interface ExactResult extends Omit<ChannelResult, 'outputs'> {
  readonly outputs: readonly Float64Array[];
  /** The mean absolute value of the terms averaged in the weight's gradient. */
  readonly gradientSize: number;
}

/** The exact answer: statistics of all values together, from two passes in float64; the unbiased
 * running variance; the gradient of the mean over all samples. */
export function computeExactly(batch: ChannelBatch): ExactResult {
  const { shards, gradients, eps, momentum, runningVar } = batch;
  const all = shards.flatMap((shard) => [...shard]);
  const count = all.length;
  const mean = all.reduce((sum, x) => sum + x, 0) / count;
  const m2 = all.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  const std = Math.sqrt(m2 / count + eps);
  const outputs = shards.map((shard) => Float64Array.from(shard, (x) => (x - mean) / std));
  const terms = outputs.flatMap((own, rank) => [...own].map((y, i) => y * gradients[rank]![i]!));
  const meanOf = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / count;
  return {
    mean,
    variance: m2 / count,
    outputs,
    runningVar: (1 - momentum) * runningVar + (momentum * m2) / (count - 1),
    weightGrad: meanOf(terms),
    gradientSize: meanOf(terms.map(Math.abs)),
  };
}
