// Which replica gets which samples: every sample once, few classes, mixtures by their alpha.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import {
  assignShards,
  checkShards,
  isShards,
  type KeptShards,
  type ShardAssignment,
} from '../../src/data/loading/shards.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { firstTrain, limitTrain } from '../../src/data/subset.ts';

const CLASSES = 5;
const labels = Int32Array.from({ length: 400 }, (_, i) => (i * 7) % CLASSES);
const quotas = [101, 100, 100, 99];

const assign = (shards: KeptShards, seed = 1): ShardAssignment =>
  assignShards({ shards, labels, quotas, seed });

/** The samples of each replica. */
function replicasOf({ samples, starts }: ShardAssignment): number[][] {
  return quotas.map((_, r) => [...samples.subarray(starts[r], starts[r + 1])]);
}

/** The share of its most frequent class among a replica's samples, on average over 40 replicas. */
function purityOf(shards: KeptShards): number {
  const [replicas, quota] = [40, 10];
  const few = new Array<number>(replicas).fill(quota);
  const { samples } = assignShards({ shards, labels, quotas: few, seed: 1 });
  let sum = 0;
  for (let replica = 0; replica < replicas; replica++) {
    const counts = new Array<number>(CLASSES).fill(0);
    const own = samples.subarray(replica * quota, (replica + 1) * quota);
    for (const sample of own) counts[labels[sample]!]!++;
    sum += Math.max(...counts) / quota / replicas;
  }
  return sum;
}

describe('assignShards', () => {
  it.each<KeptShards>([
    'by-class',
    'by-domain',
    'dirichlet:0.001',
    'dirichlet:0.3',
    'dirichlet:1e6',
  ])('%s gives every sample to one replica, as many as it has slots', (shards) => {
    const { samples, starts } = assign(shards);
    expect([...starts]).toEqual([0, 101, 201, 301, 400]);
    expect([...samples].sort((a, b) => a - b)).toEqual([...labels.keys()]);
    expect(assign(shards).samples).toEqual(samples);
  });

  it('by-class gives a replica neighboring classes, at most those that its quota touches', () => {
    const classes = replicasOf(assign('by-class')).map((own) => [
      ...new Set(own.map((sample) => labels[sample])),
    ]);
    expect(classes).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
  });

  it('dirichlet draws purer mixtures for smaller alpha, and others for another seed', () => {
    const [pure, mixed, alike] = ['0.01', '1', '10000'].map((alpha) =>
      purityOf(`dirichlet:${alpha}` as KeptShards),
    );
    expect(pure).toBeGreaterThan(0.6);
    expect(mixed).toBeLessThan(pure! - 0.1);
    expect(alike).toBeLessThan(mixed! - 0.1);
    expect(assign('dirichlet:1', 2).samples).not.toEqual(assign('dirichlet:1').samples);
  });

  it('dirichlet mixtures have the mean and variance of their distribution', () => {
    // Two classes with plenty of samples: a share is Beta(alpha, alpha), mean 1/2 and variance 1 /
    // (4 (2 alpha + 1)); drawing from it adds p (1 - p) / quota.
    const [replicas, quota, alpha] = [400, 200, 0.5];
    const even = Int32Array.from({ length: replicas * quota }, (_, i) => i % 2);
    const { samples } = assignShards({
      shards: `dirichlet:${alpha}`,
      labels: even,
      quotas: new Array<number>(replicas).fill(quota),
      seed: 3,
    });
    // The first eighth of each replica's samples: no class runs out before that.
    const drawn = quota / 8;
    const shares = Array.from({ length: replicas }, (_, r) => {
      const own = samples.subarray(r * quota, r * quota + drawn);
      return own.reduce((sum, sample) => sum + even[sample]!, 0) / drawn;
    });
    const mean = shares.reduce((sum, share) => sum + share, 0) / replicas;
    const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / replicas;
    const ofShare = 1 / (4 * (2 * alpha + 1));
    expect(mean).toBeCloseTo(0.5, 1);
    expect(Math.abs(variance - (ofShare + (0.25 - ofShare) / drawn))).toBeLessThan(0.015);
  });

  it('leaves replicas without a quota empty, and handles a label without samples', () => {
    const request = { labels: Int32Array.of(3, 0, 3), quotas: [2, 1, 0], seed: 1 };
    for (const shards of ['by-class', 'dirichlet:0.3'] as const) {
      const { samples, starts } = assignShards({ shards, ...request });
      expect([...samples].sort()).toEqual([0, 1, 2]);
      expect([...starts]).toEqual([0, 2, 3, 3]);
    }
  });
});

describe('shards', () => {
  const data = synthetic({ train: 8, test: 0, shape: [4], classes: 2 });

  it.each(['dirichlet', 'dirichlet:', 'dirichlet:0', 'dirichlet:-1', 'dirichlet:1e7', 'class', 7])(
    'are not %j',
    (given) => {
      expect(isShards(given)).toBe(false);
    },
  );

  it('by-domain require domains, and follow the samples that were picked', () => {
    const domains = Int32Array.from({ length: 8 }, (_, i) => i % 3);
    const withDomains: Dataset = { ...data, train: { ...data.train, domains } };
    expect(() => checkShards('by-domain', data)).toThrow(/domains_train\.npy of whole numbers/);
    expect(checkShards('by-domain', withDomains)).toBe('by-domain');
    expect([...firstTrain(withDomains, 3).train.domains!]).toEqual([0, 1, 2]);
    expect(limitTrain(withDomains, 3).train.domains).toHaveLength(3);
    const wrong = { ...data, train: { ...data.train, domains: domains.subarray(1) } };
    expect(() => firstTrain(wrong, 3)).toThrow(/domains of train of .*exactly 8/);
  });

  it('by-class refuses targets that are not classes', () => {
    const regression: Dataset = { ...data, task: { kind: 'regression', targetShape: [1] } };
    expect(() => checkShards('by-class', regression)).toThrow(UsageError);
    expect(() => checkShards('dirichlet:1', regression)).toThrow(/data with classes/);
    expect(checkShards('iid', regression)).toBe('iid');
    const ignored = { ...data, train: { ...data.train, targets: new Int32Array(8).fill(-100) } };
    expect(() => checkShards('by-class', ignored)).toThrow(/which sample 0 does not have/);
  });
});
