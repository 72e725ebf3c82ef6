import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { type HostsPlan, planHosts, predictHosts } from '../../src/simulate/hosts.ts';
import { hostsEventsOf, hostsFilesOf } from '../../src/simulate/hostsDocument.ts';
import { LINKS, type Link } from '../../src/simulate/links.ts';
import { describeNetwork } from '../../src/simulate/network.ts';

const data = synthetic({ train: 64, test: 0, shape: [8], classes: 4 });
const model = sequential([linear(8, 16), batchNorm(16, { sync: 'all' }), linear(16, 4)]);
const options = { model, data, optimizer: sgd({ lr: 0.1 }), replicas: 1, globalBatch: 32 };
const configOf = (workers: number) => resolveOptions({ ...options, workers });

const HEADER = 64;
/** Without biases, and without padding to cache lines. */
const WEIGHT_BYTES = 4 * (8 * 16 + 16 * 4);

describe('planHosts', () => {
  it('gives each host its grains, and the exchanges of a step', () => {
    const { share, exchanges } = planHosts(configOf(1), 2);
    // 32 samples are 8 grains.
    expect(share).toEqual({ samples: 16, grains: 4, workers: 1 });
    expect(exchanges.map(({ part }) => part)).toEqual([
      ...['statistics', 'statistics', 'gradients', 'foldedGradients'],
    ]);
    const [moments, sums] = exchanges;
    // Four grains are one subtree: count, 16 means and 16 M2 in float64; then two sums.
    expect(moments!.cardBytes).toBe(HEADER + 8 * (1 + 2 * 16));
    expect(sums!.cardBytes).toBe(HEADER + 8 * 2 * 16);
  });

  it('uses one card for all pairs', () => {
    const two = planHosts(configOf(1), 2).exchanges;
    const four = planHosts(configOf(1), 4).exchanges;
    expect(four[0]!.cardBytes).toBe(3 * two[0]!.cardBytes);
  });

  it('counts the largest share', () => {
    // 8 grains of 4 samples: 3, 3 and 2 of them; three are two subtrees.
    const { share, exchanges } = planHosts(configOf(1), 3);
    expect(share).toEqual({ samples: 12, grains: 3, workers: 1 });
    expect(exchanges[0]!.cardBytes).toBe(2 * (HEADER + 2 * 8 * (1 + 2 * 16)));
  });

  it('sends gradients once to those that fold them, and once to all', () => {
    const [gradients, folded] = planHosts(configOf(2), 2).exchanges.slice(-2);
    expect(folded!.cardBytes).toBeGreaterThan(WEIGHT_BYTES / 2);
    expect(folded!.cardBytes).toBeLessThan(2 * WEIGHT_BYTES);
    expect(gradients!.cardBytes).toBeGreaterThan(WEIGHT_BYTES / 2);
  });

  it('has no exchange on one host, and refuses more workers than grains', () => {
    expect(planHosts(configOf(2), 1).exchanges).toEqual([]);
    expect(() => planHosts(configOf(2), 5)).toThrow(UsageError);
    expect(() => planHosts(configOf(2), 5)).toThrow(/at most one for each of the 8 grains/);
  });
});

const link: Link = {
  ...{ name: 'test', kind: 'messages', latencyUs: 100, gigabytesPerSecond: 0.01, share: 0.5 },
  source: 'made up',
};
const plans: readonly HostsPlan[] = [
  { hosts: 1, share: { samples: 32, grains: 8, workers: 1 }, exchanges: [] },
  {
    hosts: 2,
    share: { samples: 16, grains: 4, workers: 1 },
    exchanges: [
      { part: 'statistics', cardBytes: 500 },
      { part: 'statistics', cardBytes: 1000 },
      { part: 'gradients', cardBytes: 10_000 },
      { part: 'foldedGradients', cardBytes: 20_000 },
    ],
  },
];

describe('predictHosts', () => {
  const predictions = predictHosts(plans, [10, 6], { link, globalBatch: 32 });

  it('adds latency and bytes of each exchange to the compute time', () => {
    // 5 bytes a microsecond: 100 + 100 and 100 + 200; 100 + 2000 and 100 + 4000.
    expect(predictions[1]).toMatchObject({
      hosts: 2,
      samples: 16,
      exchanges: 4,
      cardBytes: 31_500,
    });
    expect(predictions[1]!.computeMs).toBe(6);
    expect(predictions[1]!.statisticsMs).toBeCloseTo(0.5, 12);
    expect(predictions[1]!.gradientsMs).toBeCloseTo(6.2, 12);
    expect(predictions[1]!.ms).toBeCloseTo(12.7, 12);
    expect(predictions[1]!.imagesPerSecond).toBeCloseTo(32_000 / 12.7, 9);
    expect(predictions[1]!.efficiency).toBeCloseTo(10 / (2 * 12.7), 12);
  });

  it('is the measured time for one host', () => {
    expect(predictions[0]).toMatchObject({ ms: 10, efficiency: 1, statisticsMs: 0 });
  });

  it('is reported as events and files', () => {
    const network = describeNetwork('net', model, [8]);
    const fit = undefined;
    const simulation = {
      ...{ network, globalBatch: 32, link: LINKS['ethernet-1g'], fit, predictions },
    };
    const events = hostsEventsOf(simulation);
    expect(events.map(({ event, kind }) => [event, kind])).toEqual([
      ['job', undefined],
      ...[1, 2].map(() => ['share', 'real']),
      ...[1, 2].map(() => ['prediction', 'simulated']),
    ]);
    const files = new Map(hostsFilesOf(simulation, 'syncbn').map(({ name, text }) => [name, text]));
    expect(files.get('results.csv')).toMatch(/\n2,16,1,12\.7,6,0\.5,6\.2,4,31500,2520,0\.3937\n$/);
    expect(files.get('results.jsonl')!.trimEnd().split('\n')).toHaveLength(events.length);
    expect(files.get('report.html')).toContain('twice the 10 us of Larsen');
  });
});
