import { describe, expect, it } from 'vitest';
import { convTranspose2dKind } from '../../src/nn/conv/convTranspose2dKind.ts';
import {
  type ConvTranspose2dOptions,
  convTranspose2d,
} from '../../src/nn/specs/convTranspose2d.ts';
import { initialize } from '../../src/nn/specs/init.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  describeReference,
  FLOAT32_SUMS,
  type ProofCase,
} from '../support/layers/proofs.ts';

function item(
  channels: readonly [number, number],
  options: ConvTranspose2dOptions,
  size: readonly [number, number] = [3, 4],
): ProofCase {
  const name = `${channels.join(' to ')} of ${size.join('x')}, ${JSON.stringify(options)}`;
  return { name, spec: convTranspose2d(...channels, options), inputShape: [...size, channels[0]] };
}

const CASES: readonly ProofCase[] = [
  item([5, 3], { kernel: 2, stride: 2 }),
  item([3, 13], { kernel: 4, stride: 2, padding: 1 }),
  item([8, 5], { kernel: 3, stride: 2, padding: 1, outputPadding: 1 }),
  item([3, 4], { kernel: 3, padding: 1, bias: false }),
  // Strides beyond the kernel leave outputs that no input reaches.
  item([3, 4], { kernel: 2, stride: 3, outputPadding: [2, 0] }),
  item([2, 3], { kernel: [2, 3], stride: [3, 1], dilation: [1, 2], outputPadding: [0, 1] }),
  item([4, 6], { kernel: 3, stride: 2, groups: 2 }),
  item([5, 5], { kernel: 3, groups: 5 }),
  item([5, 5], { kernel: 3, groups: 5, dilation: 2, outputPadding: 1, bias: false }),
  item([5, 5], { kernel: 4, stride: 2, padding: 1, groups: 5 }),
  item([4, 4], { kernel: 1, padding: 1 }, [4, 3]),
];
const WINOGRAD_CASES: readonly ProofCase[] = [
  item([16, 24], { kernel: 3, padding: 1 }, [5, 6]),
  item([24, 16], { kernel: 3 }, [4, 3]),
  item([16, 16], { kernel: 3, padding: [2, 0], bias: false }, [7, 5]),
];
/** Of F(4x4, 3x3), whose error is 2.5 times that of a plain sum. */
const WINOGRAD_SUMS = { ...FLOAT32_SUMS, activations: 5e-6, weights: 5e-6 };

describe('convTranspose2d', () => {
  describeReference(CASES, FLOAT32_SUMS);
  describeReference(WINOGRAD_CASES, WINOGRAD_SUMS);
  describeGoldenLayer('convTranspose2d', WINOGRAD_SUMS);
  describeDifferences([...CASES, ...WINOGRAD_CASES.slice(0, 1)]);

  it("starts with weights like PyTorch's, with the fan-in of the convolution", () => {
    const spec = convTranspose2d(16, 4, { kernel: 3, groups: 2 });
    for (const { shape, init } of convTranspose2dKind.parameters!(spec, [])) {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 250));
      initialize(values, init, 1, 0);
      const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      expect(largest * Math.sqrt(2 * 9)).toBeGreaterThan(0.98);
      expect(largest * Math.sqrt(2 * 9)).toBeLessThanOrEqual(1);
    }
  });

  it('refuses output padding beyond the stride, and groups that do not divide', () => {
    expect(() => convTranspose2d(4, 4, { kernel: 3, stride: 2, outputPadding: [0, 2] })).toThrow(
      /convTranspose2d outputPadding: expected less than the stride or the dil.*, got \[0, 2\]/,
    );
    expect(() => convTranspose2d(4, 6, { kernel: 3, groups: 4 })).toThrow(
      /convTranspose2d groups with outChannels 6: expected a divisor of 6.*, got 4/,
    );
  });

  it('names the layer and both shapes when the input does not fit', () => {
    const { outputShape } = convTranspose2dKind;
    const spec = convTranspose2d(3, 8, { kernel: 2, padding: 2 });
    expect(() => outputShape(spec, [28, 28, 1], '0.convTranspose2d')).toThrow(
      /input of 0\.convTranspose2d: expected HxWx3.*, got "28x28x1"/,
    );
    expect(() => outputShape(spec, [3, 9, 3], '2.convTranspose2d')).toThrow(
      /input of 2\.convTranspose2d: expected one large enough for padding 2x2.*, got "3x9x3"/,
    );
    expect(outputShape(spec, [Number.NaN, 5, 3], '')).toEqual([Number.NaN, 2, 8]);
  });
});
