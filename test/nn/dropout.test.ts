// The dropout layer: how seed, layer, step and sample key its masks.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { Purpose, RandomStream } from '../../src/base/random.ts';
import { dropoutKey, dropoutKind, dropoutThreshold } from '../../src/nn/layers/dropoutKind.ts';
import { dropout } from '../../src/nn/specs/dropout.ts';
import { MODES, testValues } from '../support/kernelFixture.ts';
import { bindAlone } from '../support/layers/parameterless.ts';

const SEED = 3 * 2 ** 32 + 2 ** 31 + 5;
const OPTIONS = { inputShape: [3, 3, 5], capacity: 4, seed: SEED, index: 2 };

describe('dropout', () => {
  it('has p 0.5 by default and accepts p from 0 to below 1', () => {
    expect([dropout(), dropout(0), dropout(0.1)].map(({ p }) => p)).toEqual([0.5, 0, 0.1]);
    for (const p of [-0.1, 1, Number.NaN]) expect(() => dropout(p)).toThrow(UsageError);
  });

  it('has thresholds that are unsigned 32-bit numbers, even close to p = 1', () => {
    expect(dropoutThreshold(0)).toBe(0);
    expect(dropoutThreshold(0.5)).toBe(2 ** 31);
    expect(dropoutThreshold(1 - Number.EPSILON)).toBe(2 ** 32 - 1);
  });

  it('gives layers different keys from each other and from other purposes', () => {
    const keys = [0, 1, 2, 1000].map(dropoutKey);
    expect(new Set([...keys, ...Object.values(Purpose)]).size).toBe(
      keys.length + Object.keys(Purpose).length - 1,
    );
  });

  it.each(MODES)(
    'keeps the elements that its random words select, forward and backward, %s build',
    (mode) => {
      const p = 0.3;
      const run = bindAlone(dropoutKind, dropout(p), { ...OPTIONS, mode });
      run.step.step = 17;
      run.step.firstSample = 6;
      run.x.set(testValues(run.x.length));
      run.dy.set(testValues(run.dy.length, 1, 5));
      run.layer.forward();
      run.layer.backward();
      const scale = Math.fround(1 / (1 - p));
      const random = new RandomStream();
      for (let s = 0; s < 4; s++) {
        random.reset(SEED, Purpose.dropout + 256 * OPTIONS.index, 17, 6 + s);
        for (let e = s * 45; e < (s + 1) * 45; e++) {
          const kept = random.nextUint32() >= p * 2 ** 32;
          expect(run.y[e]).toBe(kept ? Math.fround(run.x[e]! * scale) : 0);
          expect(run.dx[e]).toBe(kept ? Math.fround(run.dy[e]! * scale) : 0);
        }
      }
    },
  );

  it('is the identity in evaluation', () => {
    const run = bindAlone(dropoutKind, dropout(0.9), OPTIONS);
    run.x.set(testValues(run.x.length));
    run.step.training = false;
    run.step.countSamples = 3;
    run.layer.forward();
    expect(run.y.slice(0, 135)).toEqual(run.x.slice(0, 135));
    expect(run.y[135]).toBeNaN();
  });

  it('splits between workers without changing a bit', () => {
    const whole = bindAlone(dropoutKind, dropout(), OPTIONS);
    const x = testValues(whole.x.length);
    whole.x.set(x);
    whole.layer.forward();
    const part = bindAlone(dropoutKind, dropout(), { ...OPTIONS, capacity: 3 });
    part.x.set(x.subarray(45));
    part.step.firstSample = 1;
    part.layer.forward();
    expect(part.y).toEqual(whole.y.slice(45));
  });
});
