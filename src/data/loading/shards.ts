// Assigns training samples to replicas. A run that is not `iid` keeps them separate, like devices
// with their own data: each sample belongs to one replica, depending only on data and seed. By
// class: McMahan et al. 2017 ("Communication-efficient learning of deep networks from decentralized
// data"), sorted by label and cut. Dirichlet: Hsu, Qi and Brown 2019 ("Measuring the effects of
// non-identical data distribution"), each replica draws a mixture of the classes.

import { UsageError } from '../../base/errors.ts';
import { Purpose, portableExp, portableLog, RandomStream } from '../../base/random.ts';
import type { Dataset } from '../dataset.ts';
import { identityOrder, shufflePart } from './sampler.ts';

/** Which samples of an epoch each replica sees. `iid`: any, in the order of the epoch. `by-class`:
 * training samples are sorted by class and cut, so that each replica has as few classes as
 * possible. `dirichlet:ALPHA`, ALPHA from 0.001 to 1000000: each replica draws a mixture of the
 * classes; smaller ALPHA makes them differ more. `by-domain`: like `by-class`, with the domains of
 * the data ({@link Split.domains}). */
export type Shards = 'iid' | 'by-class' | 'by-domain' | `dirichlet:${number}`;

/** Shards that keep the replicas' samples separate. */
export type KeptShards = Exclude<Shards, 'iid'>;

export const SHARDS_ALLOWED =
  "'iid', 'by-class', 'by-domain', or 'dirichlet:ALPHA' with ALPHA from 0.001 to 1000000";

const DIRICHLET = 'dirichlet:';
/** Beyond these bounds, each mixture is practically a single class, or all are practically
 * equal. */
const LEAST_ALPHA = 0.001;
const MOST_ALPHA = 1e6;
const DECIMAL = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Whether a value is a `Shards`. */
export function isShards(value: unknown): value is Shards {
  if (value === 'iid' || value === 'by-class' || value === 'by-domain') return true;
  return typeof value === 'string' && alphaOf(value) !== undefined;
}

/** The concentration of `dirichlet:ALPHA`; undefined for anything else. */
function alphaOf(shards: string): number | undefined {
  const text = shards.startsWith(DIRICHLET) ? shards.slice(DIRICHLET.length) : '';
  const alpha = DECIMAL.test(text) ? Number(text) : Number.NaN;
  return alpha >= LEAST_ALPHA && alpha <= MOST_ALPHA ? alpha : undefined;
}

/** The shards, if the data has the labels that they need. Throws a {@link UsageError} that says
 * what is missing. */
export function checkShards(shards: Shards, { name, task, train }: Dataset): Shards {
  if (!isShards(shards)) {
    throw new UsageError({ what: 'shards', given: shards, allowed: SHARDS_ALLOWED });
  }
  if (shards === 'by-domain' && train.domains === undefined) {
    throw new UsageError({
      what: `shards by-domain of ${name}`,
      problem: 'need the domain of each training sample, which the data does not have',
      hint: 'a file domains_train.npy of whole numbers [N] beside x_train.npy, or train.domains',
    });
  }
  if (shards !== 'iid' && shards !== 'by-domain' && task.kind !== 'classification') {
    throw new UsageError({
      what: `shards ${shards} of ${name}`,
      given: `a task of ${task.kind}`,
      allowed: 'data with classes',
      hint: 'by-domain, with the domain of each training sample',
    });
  }
  if (shards !== 'iid' && shards !== 'by-domain') {
    const without = train.targets.findIndex((label) => label < 0);
    if (without >= 0) {
      throw new UsageError({
        what: `shards ${shards} of ${name}`,
        problem: `need the class of each training sample, which sample ${without} does not have`,
      });
    }
  }
  return shards;
}

export interface ShardRequest {
  readonly shards: KeptShards;
  /** The class of each training sample, or its domain; integers from 0. */
  readonly labels: Int32Array;
  /** How many samples each replica gets; together all of them. */
  readonly quotas: readonly number[];
  readonly seed: number;
}

/** The samples of each replica: replica r has `samples` from `starts[r]` to `starts[r + 1]`. */
export interface ShardAssignment {
  readonly samples: Int32Array;
  readonly starts: Int32Array;
}

/** Assigns each sample to one replica. Equal requests give the same result on every machine. */
export function assignShards(request: ShardRequest): ShardAssignment {
  const { shards, labels, quotas } = request;
  const starts = new Int32Array(quotas.length + 1);
  for (const [replica, quota] of quotas.entries()) starts[replica + 1] = starts[replica]! + quota;
  const alpha = alphaOf(shards);
  const samples =
    alpha === undefined ? sortedBy(labels, inOrder(labels.length)) : deal(request, alpha, starts);
  return { samples, starts };
}

function inOrder(count: number): Int32Array {
  const order = new Int32Array(count);
  identityOrder(order);
  return order;
}

/** The samples of `order`, stably sorted by label. */
function sortedBy(labels: Int32Array, order: Int32Array): Int32Array {
  const next = classStarts(labels);
  const sorted = new Int32Array(order.length);
  for (const sample of order) sorted[next[labels[sample]!]!++] = sample;
  return sorted;
}

/** The start index of each label's samples after sorting; the last entry is the total count. */
function classStarts(labels: Int32Array): Int32Array {
  const most = labels.reduce((largest, label) => Math.max(largest, label), 0);
  const starts = new Int32Array(most + 2);
  for (const label of labels) starts[label + 1]!++;
  for (let label = 0; label <= most; label++) starts[label + 1]! += starts[label]!;
  return starts;
}

/** Purposes of an assignment's random numbers. */
const DRAW = { order: 0, classes: 1, mixture: 2 } as const;

/** Lets each replica take one sample per round, of a class drawn from its mixture among the classes
 * that are left. */
function deal(
  { labels, quotas, seed }: ShardRequest,
  alpha: number,
  starts: Int32Array,
): Int32Array {
  const random = new RandomStream();
  const order = inOrder(labels.length);
  shufflePart(order, 0, order.length, random.reset(seed, Purpose.shards, DRAW.order, 0));
  const pool = sortedBy(labels, order);
  const next = classStarts(labels);
  const left = Int32Array.from({ length: next.length - 1 }, (_, k) => next[k + 1]! - next[k]!);
  const mixtures = quotas.map((_, replica) => {
    random.reset(seed, Purpose.shards, DRAW.mixture, replica);
    return new Mixture(drawMixture(random, alpha, left), left);
  });
  const samples = new Int32Array(labels.length);
  random.reset(seed, Purpose.shards, DRAW.classes, 0);
  const rounds = Math.max(...quotas);
  for (let round = 0; round < rounds; round++) {
    for (const [replica, mixture] of mixtures.entries()) {
      if (round >= quotas[replica]!) continue;
      const label = mixture.draw(random);
      left[label]!--;
      samples[starts[replica]! + round] = pool[next[label]!++]!;
    }
  }
  return samples;
}

/** Draws shares of the classes from Dirichlet(alpha K p), with p the shares in the data and K the
 * number of classes that occur. Their mean is p; equal classes get alpha each. Scaled so that the
 * largest is 1. */
function drawMixture(random: RandomStream, alpha: number, counts: Int32Array): Float64Array {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const classes = counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  const logs = Float64Array.from(counts, (count) =>
    count === 0 ? -Infinity : logGamma(random, (alpha * classes * count) / total),
  );
  const largest = logs.reduce((most, log) => Math.max(most, log), -Infinity);
  return logs.map((log) => portableExp(log - largest));
}

/** The logarithm of a draw from Gamma(shape, 1): Marsaglia and Tsang 2000 ("A simple method for
 * generating gamma variables"), with Gamma(shape + 1) U^(1/shape) for shapes below 1. Logarithms
 * are used because draws for small shapes underflow. */
function logGamma(random: RandomStream, shape: number): number {
  const isSmall = shape < 1;
  const boost = isSmall ? portableLog(aboveZero(random)) / shape : 0;
  const d = (isSmall ? shape + 1 : shape) - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.nextNormal();
    const root = 1 + c * x;
    if (root <= 0) continue;
    const v = root * root * root;
    const bound = (x * x) / 2 + d - d * v + d * portableLog(v);
    if (portableLog(aboveZero(random)) < bound) return portableLog(d * v) + boost;
  }
}

/** Uniform in (0, 1). */
function aboveZero(random: RandomStream): number {
  return (random.nextUint32() + 0.5) / 2 ** 32;
}

/** Draws classes according to their shares, among those that are left. */
class Mixture {
  private readonly shares: Float64Array;
  private readonly left: Int32Array;
  private readonly upTo: Float64Array;

  constructor(shares: Float64Array, left: Int32Array) {
    this.shares = shares;
    this.left = left;
    this.upTo = new Float64Array(shares.length);
    this.add();
  }

  draw(random: RandomStream): number {
    for (;;) {
      const label = this.find(random.nextUniform() * this.upTo.at(-1)!);
      if (this.left[label]! > 0) return label;
      this.add();
    }
  }

  /** Sums up the shares of the classes that are left. If none of this replica's classes are left,
   * the counts of remaining samples are used instead. */
  private add(): void {
    const { shares, left, upTo } = this;
    for (const [label, count] of left.entries()) if (count === 0) shares[label] = 0;
    if (shares.every((share) => share === 0)) shares.set(left);
    let sum = 0;
    for (const [label, share] of shares.entries()) {
      sum += share;
      upTo[label] = sum;
    }
  }

  /** The first class whose sum is above `value`. */
  private find(value: number): number {
    let [low, high] = [0, this.upTo.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.upTo[middle]! > value) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
