import { describe, expect, it } from 'vitest';
import { type Initializer, initialize } from '../../src/nn/specs/init.ts';

const LENGTH = 20_000;
const FANS = { fanIn: 50, fanOut: 150 };

function filled(initializer: Initializer, seed = 1, tensor = 0, length = LENGTH): Float32Array {
  const values = new Float32Array(length);
  initialize(values, initializer, seed, tensor);
  return values;
}

function deviation(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

describe('initial values', () => {
  it('are constant if the layer says so', () => {
    expect(filled({ kind: 'constant', value: 1.5 }, 1, 0, 3)).toEqual(
      new Float32Array(3).fill(1.5),
    );
  });

  // The bound of a uniform distribution is sqrt(3) deviations.
  it.each([
    ['torch', 1 / Math.sqrt(50)],
    ['kaimingUniform', Math.sqrt(6 / 50)],
    ['xavierUniform', Math.sqrt(6 / 200)],
  ] as const)('are uniform up to the bound of %s', (kind, bound) => {
    const values = filled({ kind, ...FANS });
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(Math.max(...values)).toBeGreaterThan(0.99 * bound);
    expect(Math.min(...values)).toBeLessThan(-0.99 * bound);
    expect(deviation(values) / (bound / Math.sqrt(3))).toBeCloseTo(1, 1);
  });

  it.each([
    ['kaimingNormal', Math.sqrt(2 / 50)],
    ['kaimingNormalFanOut', Math.sqrt(2 / 150)],
    ['xavierNormal', Math.sqrt(2 / 200)],
  ] as const)('are normal with the deviation of %s', (kind, expected) => {
    const values = filled({ kind, ...FANS });
    expect(deviation(values) / expected).toBeCloseTo(1, 1);
    const within = values.filter((value) => Math.abs(value) < expected).length / LENGTH;
    expect(within).toBeCloseTo(0.683, 1);
  });

  it('depend only on seed, tensor and position', () => {
    const init = { kind: 'torch', ...FANS } as const;
    expect(filled(init, 1, 0, 5)).toEqual(filled(init, 1, 0, 9).slice(0, 5));
    expect(filled(init, 2, 0, 5)).not.toEqual(filled(init, 1, 0, 5));
    expect(filled(init, 1, 1, 5)).not.toEqual(filled(init, 1, 0, 5));
  });
});
