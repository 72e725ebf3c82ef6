import { beforeEach, describe, expect, it } from 'vitest';
import {
  conv2dInputGradRef,
  conv2dRef,
  conv2dWeightGradRef,
  convOutputSizeRef,
} from '../../src/kernels/reference/conv.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';
import { abs, CHANNELS, expectClose, GEOMETRIES, optionsOf } from './convShapes.ts';

const square = { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding: [1, 1] } as const;

/** Rows of whole tiles and of others, and bands of a weight gradient. */
const SHAPES = [
  ...GEOMETRIES.map((geometry) => ({ ...geometry, padding: [0, 0] as const })),
  { ...square, size: [3, 7] },
  { ...square, size: [20, 16] },
  { ...square, size: [4, 12] },
  { ...square, size: [5, 13], stride: [2, 2] },
  { ...square, size: [5, 9], padding: [0, 2], dilation: [2, 1] },
] as const;

type Pair = readonly [number, number];

describe.each(BUILDS)('depthwise kernels, %s build', (build) => {
  const fixture = createFixture(build, 64);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  /** What the kernels take of a source that lies in a plane, zero elsewhere. */
  function planeOf(
    source: Pair,
    channels: number,
    plane: { readonly size: Pair; readonly inside: Pair; readonly spread: Pair },
    taps: { readonly kernel: Pair; readonly stride: Pair; readonly dilation: Pair },
  ) {
    const { size, inside, spread } = plane;
    const { kernel, stride, dilation } = taps;
    const ptr = fixture.place(new Float32Array(size[0] * size[1] * 16));
    const rowBytes = size[1] * 64;
    const insidePtr = ptr + inside[0] * rowBytes + inside[1] * 64;
    const steps = [stride[0] * rowBytes, stride[1] * 64] as const;
    return [
      ...([source[1] * channels * 4, ...source, channels, ptr, insidePtr] as const),
      ...([spread[0] * rowBytes, spread[1] * 64, ...steps] as const),
      ...([kernel[0], dilation[0] * rowBytes, kernel[1], dilation[1] * 64] as const),
    ] as const;
  }

  /** Weights [taps][channels] in blocks of 16 channels. */
  function placeBlocks(weight: Float32Array, channels: number): number {
    const taps = weight.length / channels;
    const blocks = new Float32Array(Math.ceil(channels / 16) * taps * 16).fill(Number.NaN);
    weight.forEach((value, i) => {
      const [tap, channel] = [Math.floor(i / channels), i % channels];
      blocks[(Math.floor(channel / 16) * taps + tap) * 16 + (channel % 16)] = value;
    });
    return fixture.place(blocks);
  }

  it.each(CHANNELS)('equal their twins, %d channels', (channels) => {
    for (const shape of SHAPES) {
      fixture.reset();
      const { kernel, dilation, stride, padding } = shape;
      const o = { ...optionsOf(shape, channels, channels, channels), padding };
      const source = [o.height, o.width] as const;
      const out = convOutputSizeRef(o);
      const taps = kernel[0] * kernel[1];
      const x = testValues(o.height * o.width * channels, 2, 1);
      const weight = testValues(taps * channels, 1, 2);
      const bias = testValues(channels, 1, 3);
      const dy = testValues(out[0] * out[1] * channels, 1, 4);
      const [xPtr, dyPtr, biasPtr] = [fixture.place(x), fixture.place(dy), fixture.place(bias)];
      const size = [o.height + 2 * padding[0], o.width + 2 * padding[1]] as const;
      const padded = { size, inside: padding, spread: [1, 1] } as const;
      const plane = planeOf(source, channels, padded, shape);

      const yPtr = fixture.reserve(dy.length);
      kernels.depthwiseF32(xPtr, ...plane, placeBlocks(weight, channels), biasPtr, yPtr, ...out);
      const magnitude = conv2dRef(abs(x), abs(weight), abs(bias), o);
      const exact = conv2dRef(x, weight, bias, o);
      expectClose(fixture.f32(yPtr, dy.length), exact, magnitude, taps + 1);
      expect(fixture.f32(yPtr, dy.length + 1)[dy.length]).toBeNaN();

      const reach = [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)] as const;
      const spread = {
        size: [o.height + reach[0], o.width + reach[1]],
        inside: [reach[0] - padding[0], reach[1] - padding[1]],
        spread: stride,
      } as const;
      const reversed = weight.map((_, i) => {
        const [tap, channel] = [Math.floor(i / channels), i % channels];
        return weight[(taps - 1 - tap) * channels + channel]!;
      });
      const gradPlane = planeOf(out, channels, spread, { ...shape, stride: [1, 1] });
      const dxPtr = fixture.reserve(x.length);
      kernels.depthwiseF32(
        dyPtr,
        ...gradPlane,
        placeBlocks(reversed, channels),
        0,
        dxPtr,
        ...source,
      );
      const dxMagnitude = conv2dInputGradRef(abs(dy), abs(weight), o);
      const dx = fixture.f32(dxPtr, x.length);
      expectClose(dx, conv2dInputGradRef(dy, weight, o), dxMagnitude, taps);

      const sumsPtr = fixture.reserve(9 * 16);
      const gradPtr = fixture.reserve(weight.length);
      kernels.depthwiseWeightGradF32(xPtr, ...plane, sumsPtr, dyPtr, ...out, gradPtr, 0);
      const gradMagnitude = conv2dWeightGradRef(abs(x), abs(dy), o);
      const grad = fixture.f32(gradPtr, weight.length);
      expectClose(grad, conv2dWeightGradRef(x, dy, o), gradMagnitude, out[0] * out[1]);
      const once = grad.slice();
      kernels.depthwiseWeightGradF32(xPtr, ...plane, sumsPtr, dyPtr, ...out, gradPtr, 1);
      expect(grad).toEqual(once.map((value) => 2 * value));
    }
  });
});
