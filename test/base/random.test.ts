import { describe, expect, it } from 'vitest';
import { Purpose, philox, portableExp, portableLog, RandomStream } from '../../src/base/random.ts';

const ONES = 0xffffffff;

describe('philox', () => {
  // The known-answer vectors that the Random123 library publishes for philox4x32-10.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [ONES, ONES, ONES, ONES],
      [ONES, ONES],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('of counter %o and key %o gives the published words', (counter, key, words) => {
    const [c0, c1, c2, c3] = counter as [number, number, number, number];
    const [k0, k1] = key as [number, number];
    const out = new Uint32Array(4);
    philox(out, { c0, c1, c2, c3 }, { k0, k1 });
    expect([...out]).toEqual(words);
  });
});

describe('RandomStream', () => {
  const draw = (stream: RandomStream, count: number): number[] =>
    Array.from({ length: count }, () => stream.nextUint32());

  it('gives the words of successive blocks, and starts over when it is reset', () => {
    const stream = new RandomStream().reset(5, Purpose.init, 2, 3);
    const words = draw(stream, 9);
    const block = new Uint32Array(4);
    philox(block, { c0: 1, c1: 3, c2: 2, c3: 0 }, { k0: 5, k1: Purpose.init });
    expect(words.slice(4, 8)).toEqual([...block]);
    expect(draw(stream.reset(5, Purpose.init, 2, 3), 9)).toEqual(words);
  });

  it('depends on each of seed, purpose, step and sample', () => {
    const keys: readonly (readonly [number, number, number, number])[] = [
      [1, 1, 1, 1],
      [2, 1, 1, 1],
      [1 + 2 ** 32, 1, 1, 1],
      [1, 2, 1, 1],
      [1, 1, 2, 1],
      [1, 1, 1, 2],
    ];
    const first = keys.map((key) => draw(new RandomStream().reset(...key), 4).join());
    expect(new Set(first).size).toBe(keys.length);
  });

  it('is uniform in [0, 1), and below any bound', () => {
    const stream = new RandomStream().reset(7, 1, 0, 0);
    const values = Array.from({ length: 20_000 }, () => stream.nextUniform());
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 2);
    const counts = new Array<number>(6).fill(0);
    for (let i = 0; i < 60_000; i++) counts[stream.nextBelow(6)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });

  it('has normal numbers with mean 0, variance 1 and fourth moment 3', () => {
    const stream = new RandomStream().reset(11, 1, 0, 0);
    const values = Array.from({ length: 50_000 }, () => stream.nextNormal());
    const moment = (power: number): number =>
      values.reduce((sum, value) => sum + value ** power, 0) / values.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.02);
    expect(moment(2)).toBeCloseTo(1, 1);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.15);
  });
});

describe('portableLog', () => {
  it.each([1, 2, 0.5, Math.E, 1e-300, 1e300, 0.7, 1.4143, 3, 1 + 2 ** -52, 2 ** -32])(
    'of %d is the logarithm to the last digits',
    (x) => {
      const exact = Math.log(x);
      expect(Math.abs(portableLog(x) - exact)).toBeLessThanOrEqual(4e-16 * Math.abs(exact) + 1e-30);
    },
  );
});

describe('portableExp', () => {
  it.each([0, -1e-9, -0.3, -0.35, -1, -10.5, -100, -700])(
    'of %d is e^x to the last digits',
    (x) => {
      const exact = Math.exp(x);
      expect(Math.abs(portableExp(x) - exact)).toBeLessThanOrEqual((4 - x) * 1e-16 * exact);
    },
  );

  it('is 0 for very negative numbers', () => {
    expect(portableExp(-747)).toBe(0);
    expect(portableExp(-Infinity)).toBe(0);
  });
});
