// The portable power and cosine against exact values and the engine.

import { describe, expect, it } from 'vitest';
import { cosPi, integerPower, power } from '../../src/optim/portable.ts';

describe('cosPi', () => {
  it('is exact at 0, 1/2 and 1', () => {
    expect([0, 0.5, 1].map(cosPi)).toEqual([1, 0, -1]);
  });

  it('is within 4e-16 of the engine, and odd about 1/2', () => {
    for (let i = 0; i <= 4096; i++) {
      const x = i / 4096;
      expect(Math.abs(cosPi(x) - Math.cos(Math.PI * x))).toBeLessThan(4e-16);
      expect(cosPi(1 - x) + cosPi(x)).toBe(0);
    }
  });
});

describe('power', () => {
  it('is within 1e-14 of the engine', () => {
    for (const y of [0.1, 0.5, 0.9, 1.5, 3.3]) {
      for (let i = 1; i <= 1000; i++) {
        const exact = (i / 1000) ** y;
        expect(Math.abs(power(i / 1000, y) - exact)).toBeLessThanOrEqual(1e-14 * exact);
      }
    }
  });

  it('is exact at 0 and 1, and for whole exponents', () => {
    expect([power(0, 0.9), power(1, 0.9), power(0.5, 2)]).toEqual([0, 1, 0.25]);
  });
});

describe('integerPower', () => {
  it('is exact for powers of two, and 1 for n = 0', () => {
    for (let n = 0; n <= 1000; n++) expect(integerPower(0.5, n)).toBe(2 ** -n);
    expect([integerPower(0.9, 0), integerPower(0, 0), integerPower(0, 3)]).toEqual([1, 1, 0]);
  });

  it('is close to the engine for a base below 1 and any step', () => {
    for (const x of [0.1, 0.9, 0.999]) {
      for (const n of [1, 2, 3, 10, 123, 4567]) {
        expect(Math.abs(integerPower(x, n) - x ** n)).toBeLessThanOrEqual(n * 2 ** -52 * x ** n);
      }
    }
  });
});
