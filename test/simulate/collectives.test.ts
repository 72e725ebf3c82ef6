import { describe, expect, it } from 'vitest';
import { type Cluster, collectiveUs } from '../../src/simulate/collectives.ts';
import {
  LINKS,
  type Link,
  RING_BASE_US,
  TREE_BASE_US,
  usPerByte,
} from '../../src/simulate/links.ts';

const nvlink = LINKS.nvlink2;
const infiniband = LINKS['ib-edr'];
const cluster: Cluster = { devicesPerNode: 8, intra: nvlink, inter: infiniband, cards: 4 };
const memory: Link = { ...nvlink, kind: 'memory', latencyUs: 5, gigabytesPerSecond: 10, share: 1 };
const MIB = 2 ** 20;
const allReduce = (bytes: number) => ({ kind: 'all-reduce', bytes }) as const;
const allGather = (bytes: number) => ({ kind: 'all-gather', bytes }) as const;

describe('collectiveUs', () => {
  it('is 0 for one device', () => {
    expect(collectiveUs(allReduce(MIB), 1, cluster)).toBe(0);
  });

  it.each([2, 3, 8])('of a ring of %i is 2 (p - 1) hops and 2 (p - 1) / p of the bytes', (p) => {
    const expected =
      RING_BASE_US + 2 * (p - 1) * nvlink.latencyUs + ((2 * (p - 1)) / p) * MIB * usPerByte(nvlink);
    expect(collectiveUs(allReduce(MIB), p, cluster, 'ring')).toBeCloseTo(expected, 9);
  });

  it('of a tree is log2 p hops each way and every byte twice', () => {
    const expected = TREE_BASE_US + 6 * nvlink.latencyUs + 2 * MIB * usPerByte(nvlink);
    expect(collectiveUs(allReduce(MIB), 8, cluster, 'tree')).toBeCloseTo(expected, 9);
  });

  it('gathers the data of the others over p - 1 hops', () => {
    const expected = RING_BASE_US + 7 * nvlink.latencyUs + 7 * 100 * usPerByte(nvlink);
    expect(collectiveUs(allGather(100), 8, cluster, 'ring')).toBeCloseTo(expected, 9);
  });

  it('sends a slice of each device between nodes when hierarchical, all cards at once', () => {
    const within = 7 * nvlink.latencyUs + (7 / 8) * MIB * usPerByte(nvlink);
    const between = 2 * infiniband.latencyUs + (MIB * usPerByte(infiniband)) / 4;
    const found = collectiveUs(allReduce(MIB), 16, cluster, 'hierarchical');
    expect(found).toBeCloseTo(RING_BASE_US + 2 * within + between, 9);
  });

  it('uses the cheapest with auto: few hops for few bytes, few bytes for many', () => {
    const names = ['ring', 'tree', 'hierarchical'] as const;
    for (const devices of [2, 8, 64, 1024]) {
      for (const call of [allReduce(100), allReduce(100 * MIB), allGather(100)]) {
        const each = names.map((name) => collectiveUs(call, devices, cluster, name));
        expect(collectiveUs(call, devices, cluster)).toBe(Math.min(...each));
      }
    }
    const tree = collectiveUs(allReduce(8), 1024, cluster, 'tree');
    expect(tree).toBeLessThan(collectiveUs(allReduce(8), 1024, cluster, 'ring') / 10);
  });

  it('grows with bytes, and with devices over full nodes', () => {
    for (const kind of ['all-reduce', 'all-gather'] as const) {
      let last = 0;
      for (const devices of [2, 4, 8, 16, 64, 512, 1024]) {
        const us = collectiveUs({ kind, bytes: MIB }, devices, cluster);
        expect(us).toBeGreaterThan(last);
        expect(collectiveUs({ kind, bytes: 2 * MIB }, devices, cluster)).toBeGreaterThan(us);
        last = us;
      }
    }
  });

  it('in shared memory is one barrier to gather, and two to reduce', () => {
    const shared = { ...cluster, intra: memory, devicesPerNode: 4 };
    expect(collectiveUs(allGather(1000), 4, shared)).toBeCloseTo(5 + 3 * 0.1, 9);
    expect(collectiveUs(allReduce(1000), 4, shared)).toBeCloseTo(10 + 2 * 0.75 * 0.1, 9);
    // Between nodes of it there are messages, whatever is asked for within.
    const ring = collectiveUs(allReduce(1000), 8, shared, 'ring');
    expect(ring).toBe(collectiveUs(allReduce(1000), 8, shared, 'hierarchical'));
    expect(ring).toBeGreaterThan(2 * infiniband.latencyUs + 10);
  });
});

describe('link presets', () => {
  it('order links as their vendors do', () => {
    const faster = ['nvlink4', 'nvlink3', 'nvlink2', 'pcie5', 'pcie4', 'pcie3'] as const;
    const rates = faster.map((name) => LINKS[name].gigabytesPerSecond);
    expect(rates).toEqual(rates.toSorted((a, b) => b - a));
    expect(LINKS['ethernet-100g'].latencyUs).toBeGreaterThan(LINKS['ib-edr'].latencyUs);
  });
});
