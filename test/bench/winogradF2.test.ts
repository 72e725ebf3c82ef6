import { expect, it } from 'vitest';
import { convolveF2, inputGradF2, weightGradF2 } from '../../bench/winogradF2.ts';
import {
  conv2dInputGradRef,
  conv2dRef,
  conv2dWeightGradRef,
} from '../../src/kernels/reference/conv.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { testValues } from '../support/kernelFixture.ts';
import { worstUlps } from '../support/layers/harness.ts';

it('F(2x2, 3x3) convolves, in float32', () => {
  const images = { samples: 2, size: 6, channels: 5 };
  const x = testValues(2 * 36 * 5, 2, 1);
  const dy = testValues(2 * 36 * 5, 1, 2);
  const weight = testValues(9 * 25, 0.7, 3);
  const spec = conv2d(5, 5, { kernel: 3, padding: 1 });
  const padding = [1, 1] as const;
  const options = { ...spec, padding, countSamples: 2, height: 6, width: 6 };
  for (const [found, exact] of [
    [convolveF2(x, weight, images), conv2dRef(x, weight, undefined, options)],
    [inputGradF2(dy, weight, images), conv2dInputGradRef(dy, weight, options)],
    [weightGradF2(x, dy, images), conv2dWeightGradRef(x, dy, options)],
  ] as const) {
    expect(worstUlps(found, exact)).toBeLessThan(8);
    // Float64 would be within half a unit.
    expect(worstUlps(found, exact)).toBeGreaterThan(0.5);
  }
});
