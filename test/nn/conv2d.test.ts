import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { foldTreeRef } from '../../src/kernels/reference/fold.ts';
import { conv2dKind, convAxes } from '../../src/nn/conv/conv2dKind.ts';
import { isPlanes } from '../../src/nn/conv/conv2dPlanes.ts';
import { foldsTaps } from '../../src/nn/conv/foldedGradient.ts';
import { gradStripFloats } from '../../src/nn/conv/gradStrips.ts';
import { isWinograd } from '../../src/nn/conv/winogradPlan.ts';
import { directConvolutions } from '../../src/nn/convert/directConvolutions.ts';
import { type Conv2dOptions, type Conv2dSpec, conv2d } from '../../src/nn/specs/conv2d.ts';
import { MODES, testValues } from '../support/kernelFixture.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  describeReference,
  FLOAT32_SUMS,
  type ProofCase,
  sampleRun,
} from '../support/layers/proofs.ts';

function item(
  channels: readonly [number, number],
  options: Conv2dOptions,
  size: readonly [number, number] = [5, 6],
): ProofCase {
  const name = `${channels.join(' to ')} of ${size.join('x')}, ${JSON.stringify(options)}`;
  return { name, spec: conv2d(...channels, options), inputShape: [...size, channels[0]] };
}

const CASES: readonly ProofCase[] = [
  item([3, 8], { kernel: 3, padding: 1 }),
  item([1, 13], { kernel: 3 }),
  item([13, 1], { kernel: 3, padding: 1, bias: false }),
  item([5, 9], { kernel: 1 }),
  item([8, 8], { kernel: 3, padding: 1, stride: 2 }, [8, 8]),
  item([4, 5], { kernel: 3, padding: 1, stride: 2 }, [7, 5]),
  item([4, 6], { kernel: 1, stride: 2 }),
  // Strides beyond the kernel leave input positions that no tap reaches.
  item([3, 4], { kernel: 2, stride: 3 }, [8, 7]),
  item([3, 5], { kernel: 3, padding: 2, dilation: 2 }),
  item([3, 5], { kernel: 3, padding: 2, dilation: 2, stride: 2 }, [7, 8]),
  item([3, 5], { kernel: 3, padding: 3, dilation: 3, stride: 2 }, [8, 9]),
  item([3, 4], { kernel: [3, 1], stride: [2, 1], padding: [1, 0] }, [7, 4]),
  item([2, 4], { kernel: [2, 3], stride: [1, 2], padding: [0, 2], dilation: [2, 1] }),
  item([6, 4], { kernel: 3, padding: 1, groups: 2 }),
  item([6, 9], { kernel: 3, padding: 1, stride: 2, groups: 3 }),
  item([6, 18], { kernel: 3, padding: 1, groups: 6 }),
  item([7, 7], { kernel: 3, padding: 1, groups: 7 }),
  item([5, 5], { kernel: 3, padding: 1, stride: 2, groups: 5 }, [6, 7]),
  item([5, 5], { kernel: [2, 3], padding: 4, stride: 2, groups: 5 }, [6, 7]),
  item([5, 5], { kernel: [2, 3], padding: [1, 2], dilation: [2, 2], groups: 5, bias: false }),
  item([2, 3], { kernel: [5, 6] }),
  item([3, 5], { kernel: 3, padding: { top: 2, left: 1, right: 3 } }),
  item([3, 5], { kernel: 3, stride: 2, padding: 'same' }, [5, 6]),
  item([3, 4], { kernel: [4, 3], stride: [3, 1], padding: 'same', dilation: [1, 2] }, [7, 6]),
  item([4, 6], { kernel: 2, stride: 3, padding: 'same', groups: 2 }, [8, 7]),
  item([5, 5], { kernel: 4, padding: 'same', groups: 5 }),
  item([5, 5], { kernel: 3, padding: { bottom: 4, right: 1 }, groups: 5 }),
  item([5, 5], { kernel: 3, stride: 2, padding: 'same', groups: 5 }, [6, 5]),
  item([2, 4], { kernel: 3, padding: 4 }, [3, 4]),
  item([4, 4], { kernel: 3, padding: 1 }, [1, 1]),
];

/** Those that use Winograd: all paddings, odd and even sizes, one and several bands. */
const WINOGRAD_CASES: readonly ProofCase[] = [
  item([16, 16], { kernel: 3, padding: 1 }, [4, 4]),
  item([16, 24], { kernel: 3, padding: 1, bias: false }, [5, 6]),
  item([40, 16], { kernel: 3 }, [7, 9]),
  item([24, 32], { kernel: 3, padding: 2 }, [5, 4]),
  item([16, 16], { kernel: 3, padding: [0, 2] }, [6, 3]),
  item([16, 16], { kernel: 3, padding: [2, 1] }, [3, 8]),
  item([16, 16], { kernel: 3, padding: 'same' }, [5, 4]),
  item([16, 24], { kernel: 3, padding: { top: 2, bottom: 0, left: 0, right: 1 } }, [6, 7]),
  // Bands of two samples, the last one smaller.
  item([16, 16], { kernel: 3, padding: 1 }, [13, 64]),
  // A weight that is transformed in blocks, without and with parts of its gradient.
  item([80, 96], { kernel: 3, padding: 1 }, [5, 3]),
  item([80, 96], { kernel: 3, padding: 1 }, [8, 4]),
];
/** Small ones of these shapes, asked not to. */
const DIRECT_CASES = WINOGRAD_CASES.slice(0, 4).map(({ name, spec, inputShape }) => ({
  name: `${name}, direct`,
  spec: directConvolutions(spec),
  inputShape,
}));
/** Those whose weight gradient is summed from packed strips. */
const STRIP_CASES: readonly ProofCase[] = [
  item([160, 32], { kernel: 1 }, [6, 6]),
  item([160, 64], { kernel: 2, groups: 2 }, [7, 7]),
];
/** Planes of a few pixels, for all samples at once: with taps outside, strides, dilation, a single
 * pixel, a weight in blocks; the last ones with gradients folded in registers. */
const PLANE_CASES: readonly ProofCase[] = [
  item([5, 6], { kernel: 3, padding: 1 }, [2, 2]),
  item([6, 5], { kernel: 3, padding: 1, stride: 2, bias: false }, [4, 3]),
  item([3, 9], { kernel: [3, 2], padding: 2, dilation: 2, stride: 3 }, [5, 4]),
  item([3, 7], { kernel: 5, padding: 2, stride: 3 }, [5, 1]),
  item([12, 16], { kernel: 1 }, [1, 1]),
  item([4, 8], { kernel: 2, padding: 'same', stride: 2 }, [3, 3]),
  item([176, 184], { kernel: 3, padding: 1 }, [1, 2]),
];
/** Of F(4x4, 3x3), whose error is 2.5 times that of a plain sum. */
const WINOGRAD_SUMS = { ...FLOAT32_SUMS, activations: 5e-6, weights: 5e-6 };

describe('conv2d', () => {
  describeReference(CASES, FLOAT32_SUMS);
  describeReference(WINOGRAD_CASES, WINOGRAD_SUMS);
  describeReference(DIRECT_CASES, FLOAT32_SUMS);
  describeReference(STRIP_CASES, FLOAT32_SUMS);
  describeReference(PLANE_CASES, FLOAT32_SUMS);
  describeGoldenLayer('conv2d', FLOAT32_SUMS);
  describe('with algorithm direct', () => {
    describeGoldenLayer('conv2d', FLOAT32_SUMS, { algorithm: 'direct' });
  });
  describeDifferences([...CASES, ...WINOGRAD_CASES.slice(0, 2), ...PLANE_CASES.slice(0, 4)]);

  it('uses the algorithm that its spec and shape determine', () => {
    for (const [cases, expected] of [
      [CASES, false],
      [WINOGRAD_CASES, true],
      [DIRECT_CASES, false],
    ] as const) {
      for (const { spec, inputShape } of cases) {
        const conv = spec as Conv2dSpec;
        expect(isWinograd(conv, convAxes(conv, inputShape))).toBe(expected);
      }
    }
    const few = conv2d(16, 16, { kernel: 3, padding: 1 });
    expect(isWinograd(few, convAxes(few, [4, 1, 16]))).toBe(false);
  });

  it('convolves planes of up to 4 pixels at once, unless they have groups', () => {
    const isPlane = ({ spec, inputShape }: ProofCase): boolean =>
      isPlanes(spec as Conv2dSpec, convAxes(spec as Conv2dSpec, inputShape));
    expect(PLANE_CASES.filter((one) => !isPlane(one))).toEqual([]);
    const others = [
      item([4, 4], { kernel: 1 }, [1, 5]),
      item([4, 4], { kernel: 1, groups: 2 }, [2, 2]),
    ];
    expect(others.filter(isPlane)).toEqual([]);
  });

  it('packs strips for its weight gradient if pixels are far apart', () => {
    const floatsOf = ({ spec, inputShape }: ProofCase): number =>
      gradStripFloats(spec as Conv2dSpec, convAxes(spec as Conv2dSpec, inputShape));
    expect(STRIP_CASES.map(floatsOf)).toEqual([224 * (16 + 160), 224 * (16 + 256)]);
    const others = [
      // Near pixels, few pixels, few output channels, strips that are not whole.
      item([144, 144], { kernel: 1 }, [6, 6]),
      item([160, 32], { kernel: 1 }),
      item([160, 16], { kernel: 1 }, [6, 6]),
      item([160, 40], { kernel: 1 }, [6, 6]),
      item([168, 32], { kernel: 1 }, [6, 6]),
    ];
    expect(others.map(floatsOf)).toEqual([0, 0, 0, 0, 0]);
  });

  it.each(MODES)('has the bits of the implicit matrix product if it is direct, %s', (mode) => {
    // The same weights and, for 17 output channels, which no shape takes to Winograd, one more.
    const direct = conv2d(16, 16, { kernel: 3, padding: 1, algorithm: 'direct' });
    const wider = conv2d(16, 17, { kernel: 3, padding: 1 });
    const places = { inputShape: [9, 6, 16], shards: [2, 1], mode };
    const widen = (values: Float32Array, last: number): Float32Array =>
      Float32Array.from({ length: (values.length / 16) * 17 }, (_, i) =>
        i % 17 === 16 ? last : values[Math.floor(i / 17) * 16 + (i % 17)]!,
      );
    const x = testValues(3 * 54 * 16, 2, 1);
    const dy = testValues(3 * 54 * 16, 1, 2);
    const weight = testValues(9 * 16 * 16, 0.7, 3);
    const bias = testValues(16, 0.7, 4);
    const found = runLayer({
      ...{ ...places, spec: direct, x, dy },
      parameters: { 'conv2d.weight': weight, 'conv2d.bias': bias },
    });
    const product = runLayer({
      ...{ ...places, spec: wider, x, dy: widen(dy, 0) },
      parameters: { 'conv2d.weight': widen(weight, 1), 'conv2d.bias': widen(bias, 1) },
    });
    const narrow = (values: ArrayLike<number>): Float32Array =>
      Float32Array.from(values).filter((_, i) => i % 17 !== 16);
    expect(found.y).toEqual(narrow(product.y));
    expect(found.dx).toEqual(product.dx);
    const weightGrad = product.gradients['conv2d.weight']!;
    expect(found.gradients['conv2d.weight']).toEqual(narrow(weightGrad));
  });

  it('folds leaves, in registers or not, to the bits of its samples along the tree', () => {
    const cases = [
      ...[...PLANE_CASES, ...WINOGRAD_CASES],
      item([8, 16], { kernel: 2, stride: 2 }),
      item([16, 16], { kernel: 3, padding: 1, dilation: 2 }),
    ];
    const folded = cases.filter(({ spec, inputShape }) =>
      foldsTaps(spec as Conv2dSpec, convAxes(spec as Conv2dSpec, inputShape)),
    );
    expect(folded.length).toBe(6);
    for (const one of cases) {
      const gradients = (from: number, count: number): Float32Array => {
        const run = sampleRun(one, new Array<number>(4).fill(1));
        const [xs, dys] = [run.x.length / 4, run.dy!.length / 4];
        const x = run.x.slice(from * xs, (from + count) * xs);
        const dy = run.dy!.slice(from * dys, (from + count) * dys);
        const shards = new Array<number>(count).fill(1);
        return runLayer({ ...run, shards, x, dy }).gradients['conv2d.weight'] as Float32Array;
      };
      const leaves = [0, 1, 2, 3].map((sample) => gradients(sample, 1));
      // Three grains are not a perfect tree, so their leaves go through memory.
      for (const count of [2, 3, 4]) {
        const expected = foldTreeRef(leaves.slice(0, count), (a, b) => a.map((v, i) => v + b[i]!));
        expect(gradients(0, count)).toEqual(expected);
      }
    }
  });

  it('gives a sample the same bits alone and in any batch', () => {
    for (const one of [...CASES, ...WINOGRAD_CASES, ...PLANE_CASES]) {
      const run = sampleRun(one, [5]);
      const all = runLayer(run);
      const size = run.x.length / 5;
      const outputSize = all.y.length / 5;
      for (const n of [0, 4]) {
        const alone = runLayer({
          ...run,
          shards: [1],
          x: run.x.slice(n * size, (n + 1) * size),
          dy: run.dy!.slice(n * outputSize, (n + 1) * outputSize),
        });
        expect(alone.y).toEqual(all.y.slice(n * outputSize, (n + 1) * outputSize));
        expect(alone.dx).toEqual(all.dx.slice(n * size, (n + 1) * size));
      }
    }
  });

  it('refuses groups that do not divide the channels', () => {
    expect(() => conv2d(6, 8, { kernel: 3, groups: 4 })).toThrow(
      /conv2d groups with inChannels 6: expected a divisor of 6.*, got 4/,
    );
    expect(() => conv2d(8, 6, { kernel: 3, groups: 4 })).toThrow('with outChannels 6');
    expect(() => conv2d(8, 8, { kernel: 0 })).toThrow(UsageError);
    expect(() => conv2d(8, 8, { kernel: [3, 3, 3] as never })).toThrow('[height, width]');
  });

  it('accepts padding per side, and stores it as a pair if opposite sides are equal', () => {
    const paddingOf = (padding: Conv2dOptions['padding']) =>
      conv2d(2, 2, { kernel: 3, ...(padding !== undefined && { padding }) }).padding;
    expect(paddingOf(undefined)).toEqual([0, 0]);
    expect(paddingOf({ top: 1, bottom: 1 })).toEqual([1, 0]);
    expect(paddingOf({ top: 1 })).toEqual({ top: 1, bottom: 0, left: 0, right: 0 });
    expect(paddingOf('same')).toBe('same');
    for (const wrong of ['valid', {}, { top: -1 }, { up: 1 }, [1, 2, 3], { top: 1.5 }]) {
      expect(() => paddingOf(wrong as never)).toThrow(
        "[height, width], { top, bottom, left, right } or 'same'",
      );
    }
  });

  it("gives ceil(size / stride) outputs with 'same', whatever the kernel", () => {
    for (const [size, kernel, stride, dilation] of [
      [7, 3, 2, 1],
      [8, 3, 2, 1],
      [5, 1, 3, 1],
      [5, 4, 1, 2],
      [2, 7, 5, 3],
    ] as const) {
      const spec = conv2d(1, 1, { kernel, stride, dilation, padding: 'same' });
      const out = Math.ceil(size / stride);
      expect(conv2dKind.outputShape(spec, [size, Number.NaN, 1], '')).toEqual([out, Number.NaN, 1]);
      const { before, after } = convAxes(spec, [size, size, 1]).y;
      expect([0, 1]).toContain(after - before);
    }
  });

  it('refuses other algorithms', () => {
    expect(() => conv2d(8, 8, { kernel: 3, algorithm: 'winograd' as never })).toThrow(
      /conv2d algorithm: expected 'auto' or 'direct'.*, got "winograd"/,
    );
  });

  it('names the layer and both shapes when the input does not fit', () => {
    const { outputShape } = conv2dKind;
    expect(() => outputShape(conv2d(3, 8, { kernel: 3 }), [28, 28, 1], '0.conv2d')).toThrow(
      /input of 0\.conv2d: expected HxWx3.*, got "28x28x1"/,
    );
    expect(() => outputShape(conv2d(3, 8, { kernel: 5 }), [4, 9, 3], '2.conv2d')).toThrow(
      /input of 2\.conv2d: expected at least the reach of its kernel, 5x5.*, got "4x9x3"/,
    );
  });
});
