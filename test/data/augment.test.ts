// Augmentation options and draws.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { Purpose, RandomStream } from '../../src/base/random.ts';
import {
  type Augmentation,
  type AugmentationPlan,
  planAugmentation,
} from '../../src/data/loading/augment.ts';
import { DRAWN_LENGTH, drawAugmentation } from '../../src/data/loading/drawAugmentation.ts';

const IMAGE = [28, 20, 1];

describe('planAugmentation', () => {
  it('treats shift and crop as the same option', () => {
    expect(planAugmentation({ shift: 2 }, IMAGE)).toEqual({ maxShift: 2, flip: false });
    expect(planAugmentation({ crop: 2, flip: true }, IMAGE)).toEqual({ maxShift: 2, flip: true });
  });

  it.each([{}, { shift: 0 }, { crop: 0 }, { flip: false }])(
    'has nothing to do for %j, for any shape',
    (options) => {
      expect(planAugmentation(options, IMAGE)).toBeNull();
      expect(planAugmentation(options, [7])).toBeNull();
    },
  );

  it.each([
    { shift: 1, crop: 1 },
    { shift: -1 },
    { shift: 1.5 },
    { shift: 20 },
    { crop: Number.NaN },
    { flip: 'yes' as unknown as boolean },
  ] as Augmentation[])('refuses %j', (options) => {
    expect(() => planAugmentation(options, IMAGE)).toThrow(UsageError);
  });

  it('refuses samples that are not images', () => {
    expect(() => planAugmentation({ shift: 1 }, [784])).toThrow(
      /expected images \[H, W, C\].*, got "784"/,
    );
    expect(() => planAugmentation({ flip: true }, [28, 28])).toThrow(UsageError);
  });
});

describe('drawAugmentation', () => {
  const draw = (plan: AugmentationPlan, step: number, position: number): number[] => {
    const out = new Int32Array(DRAWN_LENGTH);
    drawAugmentation(new RandomStream().reset(5, Purpose.augment, step, position), plan, out);
    return [...out];
  };

  it('draws every shift and both sides about equally often, dy and dx independently', () => {
    const plan = { maxShift: 2, flip: true };
    const counts = new Map<string, number>();
    const draws = 50_000;
    for (let i = 0; i < draws; i++) {
      const key = draw(plan, i % 100, Math.floor(i / 100)).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(5 * 5 * 2);
    // Chi square with 49 degrees of freedom is above 95 once in 10,000 times.
    let chiSquare = 0;
    for (const count of counts.values()) chiSquare += (count - draws / 50) ** 2 / (draws / 50);
    expect(chiSquare).toBeLessThan(95);
  });

  it('draws the same shifts with flips and without', () => {
    for (let i = 0; i < 20; i++) {
      const [dy, dx] = draw({ maxShift: 3, flip: true }, 1, i);
      expect(draw({ maxShift: 3, flip: false }, 1, i)).toEqual([dy, dx, 0]);
    }
  });

  it('does not shift when it only flips', () => {
    for (let i = 0; i < 20; i++)
      expect(draw({ maxShift: 0, flip: true }, 1, i).slice(0, 2)).toEqual([0, 0]);
  });
});
