import { beforeEach, describe, expect, it } from 'vitest';
import {
  type ConvRefOptions,
  conv2dRef,
  conv2dWeightGradRef,
  convOutputSizeRef,
} from '../../src/kernels/reference/conv.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';
import { abs, CHANNELS, expectClose, GEOMETRIES, optionsOf, PAIRS } from './convShapes.ts';

describe.each(BUILDS)('convolution kernels, %s build', (build) => {
  const fixture = createFixture(build, 64);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  /** The byte steps of the kernels for an unpadded sample. */
  function stepsOf(o: ConvRefOptions) {
    const pixelBytes = o.inChannels * 4;
    const rowBytes = o.width * pixelBytes;
    return [
      o.stride[0] * rowBytes,
      o.stride[1] * pixelBytes,
      o.kernel[0],
      o.dilation[0] * rowBytes,
      o.kernel[1],
      o.dilation[1] * pixelBytes,
    ] as const;
  }

  function pack(weight: Float32Array, rows: number, columns: number): number {
    const panelsPtr = fixture.reserve(Math.ceil(columns / 8) * rows * 8);
    kernels.packPanelsF32(fixture.place(weight), columns * 4, rows, columns, panelsPtr);
    return panelsPtr;
  }

  /** Runs convTilesF32; the output's pixels are `outPixelBytes` apart. */
  function convTiles(
    o: ConvRefOptions,
    at: { xPtr: number; panelsPtr: number; biasPtr: number },
    outPixelBytes = o.outChannels * 4,
  ): Float32Array {
    const [outHeight, outWidth] = convOutputSizeRef(o);
    const length = (outHeight * outWidth * outPixelBytes) / 4;
    const outPtr = fixture.reserve(length);
    kernels.convTilesF32(
      at.xPtr,
      ...stepsOf(o),
      o.inChannels,
      at.panelsPtr,
      at.biasPtr,
      outPtr,
      outWidth * outPixelBytes,
      outPixelBytes,
      outHeight,
      outWidth,
      o.outChannels,
      0,
      0,
    );
    expect(fixture.f32(outPtr, length + 1)[length]).toBeNaN();
    return fixture.f32(outPtr, length).slice();
  }

  function inputsOf(o: ConvRefOptions) {
    const [outHeight, outWidth] = convOutputSizeRef(o);
    const area = o.kernel[0] * o.kernel[1];
    return {
      x: testValues(o.height * o.width * o.inChannels, 2, 1),
      weight: testValues((area * o.inChannels * o.outChannels) / o.groups, 1, 2),
      bias: testValues(o.outChannels, 1, 3),
      dy: testValues(outHeight * outWidth * o.outChannels, 1, 4),
      rows: (area * o.inChannels) / o.groups,
    };
  }

  it.each(PAIRS)('convTilesF32 equals its twin, %d to %d channels', (inChannels, outChannels) => {
    for (const geometry of GEOMETRIES) {
      fixture.reset();
      const o = optionsOf(geometry, inChannels, outChannels);
      const { x, weight, bias, rows } = inputsOf(o);
      const panelsPtr = pack(weight, rows, outChannels);
      const y = convTiles(o, { xPtr: fixture.place(x), panelsPtr, biasPtr: fixture.place(bias) });
      const exact = conv2dRef(x, weight, bias, o);
      expectClose(y, exact, conv2dRef(abs(x), abs(weight), abs(bias), o), rows + 1);
    }
  });

  it('an output has the same bits alone and in any tile', () => {
    const o = optionsOf({ ...GEOMETRIES[0]!, size: [6, 9] }, 5, 13);
    const { x, weight, bias, rows } = inputsOf(o);
    const [outHeight, outWidth] = convOutputSizeRef(o);
    const xPtr = fixture.place(x);
    const whole = convTiles(o, {
      xPtr,
      panelsPtr: pack(weight, rows, 13),
      biasPtr: fixture.place(bias),
    });
    // Every pixel by itself, with every prefix and suffix of the channels.
    for (const [from, to] of [
      [0, 13],
      [0, 1],
      [3, 8],
      [8, 13],
      [12, 13],
    ] as const) {
      const part = Float32Array.from({ length: rows * (to - from) }, (_, i) => {
        const row = Math.floor(i / (to - from));
        return weight[row * 13 + from + (i % (to - from))]!;
      });
      const panelsPtr = pack(part, rows, to - from);
      const biasPtr = fixture.place(bias.slice(from, to));
      for (let pixel = 0; pixel < outHeight * outWidth; pixel++) {
        const [row, column] = [Math.floor(pixel / outWidth), pixel % outWidth];
        const outPtr = fixture.reserve(to - from);
        const pixelPtr = xPtr + (row * o.width + column) * o.inChannels * 4;
        const channels = to - from;
        kernels.convTilesF32(
          pixelPtr,
          ...stepsOf(o),
          o.inChannels,
          panelsPtr,
          biasPtr,
          outPtr,
          channels * 4,
          channels * 4,
          1,
          1,
          channels,
          0,
          0,
        );
        const expected = whole.subarray(pixel * 13 + from, pixel * 13 + to);
        expect(fixture.f32(outPtr, channels)).toEqual(expected);
      }
    }
  });

  it('adjacent taps may be passed as one segment without changing any bits', () => {
    const o = optionsOf(GEOMETRIES[0]!, 3, 9);
    const { x, weight, rows } = inputsOf(o);
    const panelsPtr = pack(weight, rows, 9);
    const xPtr = fixture.place(x);
    const apart = convTiles(o, { xPtr, panelsPtr, biasPtr: 0 });
    const [outHeight, outWidth] = convOutputSizeRef(o);
    const outPtr = fixture.reserve(apart.length);
    const [rowStep, pixelStep, tapsY, tapStepY] = stepsOf(o);
    kernels.convTilesF32(
      xPtr,
      ...([rowStep, pixelStep, tapsY, tapStepY, 1, 9 * 4, 9, panelsPtr, 0, outPtr] as const),
      outWidth * 36,
      36,
      outHeight,
      outWidth,
      9,
      0,
      0,
    );
    expect(fixture.f32(outPtr, apart.length)).toEqual(apart);
  });

  it.each([
    // Rows of whole tiles, with a tile that ends with the row, and shorter than a tile.
    { size: [9, 18], channels: [1, 13] },
    { size: [9, 17], channels: [3, 16] },
    { size: [6, 5], channels: [4, 8] },
    // More weights than fit the cache, and more pixels than a band.
    { size: [12, 18], channels: [29, 30] },
    { size: [13, 15], channels: [29, 30] },
  ] as const)('a kernel row as one segment gives the bits of its taps apart, %o', (shape) => {
    const geometry = { ...GEOMETRIES[0]!, size: shape.size };
    const o = optionsOf(geometry, shape.channels[0], shape.channels[1]);
    const { x, weight, bias, rows } = inputsOf(o);
    const panelsPtr = pack(weight, rows, o.outChannels);
    const at = { xPtr: fixture.place(x), panelsPtr, biasPtr: fixture.place(bias) };
    const apart = convTiles(o, at);
    const magnitude = conv2dRef(abs(x), abs(weight), abs(bias), o);
    expectClose(apart, conv2dRef(x, weight, bias, o), magnitude, rows + 1);
    const [outHeight, outWidth] = convOutputSizeRef(o);
    const [rowStep, pixelStep, tapsY, tapStepY] = stepsOf(o);
    const length = 3 * o.inChannels;
    const outBytes = o.outChannels * 4;
    const outPtr = fixture.reserve(apart.length);
    kernels.convTilesF32(
      at.xPtr,
      ...([rowStep, pixelStep, tapsY, tapStepY, 1, length * 4, length, panelsPtr] as const),
      at.biasPtr,
      outPtr,
      ...([outWidth * outBytes, outBytes, outHeight, outWidth, o.outChannels, 0, 0] as const),
    );
    expect(fixture.f32(outPtr, apart.length)).toEqual(apart);
    expect(fixture.f32(outPtr, apart.length + 1)[apart.length]).toBeNaN();
  });

  it('writes only its own channels of a wider output', () => {
    const o = optionsOf(GEOMETRIES[0]!, 4, 5);
    const { x, weight, rows } = inputsOf(o);
    const at = { xPtr: fixture.place(x), panelsPtr: pack(weight, rows, 5), biasPtr: 0 };
    const narrow = convTiles(o, at);
    const wide = convTiles(o, at, 7 * 4);
    for (let i = 0; i < wide.length; i++) {
      const expected = i % 7 < 5 ? narrow[Math.floor(i / 7) * 5 + (i % 7)] : Number.NaN;
      expect(wide[i]).toBe(expected);
    }
  });

  it('without taps the output is the bias', () => {
    const bias = testValues(5, 1);
    const outPtr = fixture.reserve(10);
    const xPtr = fixture.place(testValues(8));
    const panelsPtr = fixture.reserve(8);
    const biasPtr = fixture.place(bias);
    kernels.convTilesF32(
      xPtr,
      0,
      4,
      0,
      4,
      0,
      4,
      1,
      panelsPtr,
      biasPtr,
      outPtr,
      40,
      20,
      1,
      2,
      5,
      0,
      0,
    );
    expect(fixture.f32(outPtr, 10)).toEqual(Float32Array.of(...bias, ...bias));
  });

  /** Runs convWeightGradTilesF32 into a gradient that holds `start` (NaN when absent). */
  function weightGrad(o: ConvRefOptions, x: Float32Array, dy: Float32Array, start?: Float32Array) {
    const [outHeight, outWidth] = convOutputSizeRef(o);
    const length = o.kernel[0] * o.kernel[1] * o.inChannels * o.outChannels;
    const gradPtr = start === undefined ? fixture.reserve(length) : fixture.place(start);
    const dyBytes = o.outChannels * 4;
    kernels.convWeightGradTilesF32(
      fixture.place(x),
      ...stepsOf(o),
      o.inChannels,
      fixture.place(dy),
      outWidth * dyBytes,
      dyBytes,
      outHeight,
      outWidth,
      o.outChannels,
      gradPtr,
      dyBytes,
      start === undefined ? 0 : 1,
      0,
    );
    expect(fixture.f32(gradPtr, length + 1)[length]).toBeNaN();
    return fixture.f32(gradPtr, length).slice();
  }

  it.each(PAIRS)('convWeightGradTilesF32 equals its twin, %d to %d channels', (ic, oc) => {
    for (const geometry of GEOMETRIES) {
      fixture.reset();
      const o = optionsOf(geometry, ic, oc);
      const { x, dy } = inputsOf(o);
      const [outHeight, outWidth] = convOutputSizeRef(o);
      const pixels = outHeight * outWidth;
      const exact = conv2dWeightGradRef(x, dy, o);
      const magnitude = conv2dWeightGradRef(abs(x), abs(dy), o);
      const grad = weightGrad(o, x, dy);
      expectClose(grad, exact, magnitude, pixels);
      const start = testValues(exact.length, 1, 9);
      const sum = weightGrad(o, x, dy, start);
      expect(sum).toEqual(start.map((value, i) => value + grad[i]!));
    }
  });

  it.each([
    { size: [19, 21], channels: [5, 70], of: 'rows' },
    { size: [3, 103], channels: [5, 160], of: 'parts of a row' },
    { size: [40, 42], channels: [3, 13], of: 'rows of short pixels' },
  ] as const)('convWeightGradTilesF32 adds its bands in order, $of', ({ size, channels }) => {
    const o = optionsOf({ ...GEOMETRIES[0]!, size }, channels[0], channels[1]);
    const { x, dy } = inputsOf(o);
    const [outHeight, outWidth] = convOutputSizeRef(o);
    const grad = weightGrad(o, x, dy);
    const magnitude = conv2dWeightGradRef(abs(x), abs(dy), o);
    expectClose(grad, conv2dWeightGradRef(x, dy, o), magnitude, outHeight * outWidth);
    const start = testValues(grad.length, 1, 9);
    const sum = weightGrad(o, x, dy, start);
    const exact = conv2dWeightGradRef(x, dy, o).map((value, i) => value + start[i]!);
    expectClose(
      sum,
      exact,
      magnitude.map((value, i) => value + Math.abs(start[i]!)),
      outHeight * outWidth,
    );
  });

  it('a weight gradient over no pixels is zero', () => {
    const gradPtr = fixture.reserve(12);
    const xPtr = fixture.place(testValues(8));
    const steps = [0, 16, 1, 16, 1, 16, 4] as const;
    kernels.convWeightGradTilesF32(xPtr, ...steps, xPtr, 0, 12, 1, 0, 3, gradPtr, 12, 0, 0);
    expect(fixture.f32(gradPtr, 12)).toEqual(new Float32Array(12));
  });

  it('a weight gradient has the same bits for any number of neighboring channels', () => {
    const geometry = GEOMETRIES[0]!;
    const o = optionsOf(geometry, 5, 13);
    const { x, dy } = inputsOf(o);
    const whole = weightGrad(o, x, dy);
    for (const c of [0, 3, 7, 8, 12]) {
      const alone = optionsOf(geometry, 5, 1);
      const column = dy.filter((_, i) => i % 13 === c);
      expect(weightGrad(alone, x, column)).toEqual(whole.filter((_, i) => i % 13 === c));
    }
  });

  it.each(CHANNELS)('packTransposedPanelsF32 packs a transpose, zero-filled, %d rows', (rows) => {
    const columns = 11;
    const panelBytes = rows * 32;
    const source = testValues(columns * rows);
    const dstPtr = fixture.reserve(2 * rows * 8);
    kernels.packTransposedPanelsF32(
      fixture.place(source),
      rows * 4,
      rows,
      columns,
      dstPtr,
      panelBytes,
    );
    const panels = fixture.f32(dstPtr, 2 * rows * 8);
    for (let i = 0; i < panels.length; i++) {
      const column = Math.floor(i / (rows * 8)) * 8 + (i % 8);
      const row = Math.floor(i / 8) % rows;
      expect(panels[i]).toBe(column < columns ? source[column * rows + row] : 0);
    }
  });

  it.each([1, 3, 4, 7, 32, 39])('copyRowsF32 copies rows of %d floats and no more', (length) => {
    const source = testValues(3 * (length + 2));
    const dstPtr = fixture.reserve(3 * (length + 1));
    const srcBytes = (length + 2) * 4;
    kernels.copyRowsF32(fixture.place(source), srcBytes, dstPtr, (length + 1) * 4, 3, length);
    const copied = fixture.f32(dstPtr, 3 * (length + 1));
    for (let i = 0; i < copied.length; i++) {
      const [row, column] = [Math.floor(i / (length + 1)), i % (length + 1)];
      const expected = column < length ? source[row * (length + 2) + column] : Number.NaN;
      expect(copied[i]).toBe(expected);
    }
  });
});

describe('the strict build', () => {
  it('rounds every product and every sum once, in tap order', () => {
    const fixture = createFixture('strict', 8);
    const length = 37;
    const x = testValues(length, 2, 1);
    const weight = testValues(length, 1, 2);
    let expected = 0;
    for (let i = 0; i < length; i++) {
      expected = Math.fround(expected + Math.fround(x[i]! * weight[i]!));
    }
    const panelsPtr = fixture.reserve(length * 8);
    fixture.kernels.packPanelsF32(fixture.place(weight), 4, length, 1, panelsPtr);
    const outPtr = fixture.reserve(1);
    const bytes = length * 4;
    fixture.kernels.convTilesF32(
      fixture.place(x),
      ...([
        bytes,
        bytes,
        1,
        bytes,
        1,
        bytes,
        length,
        panelsPtr,
        0,
        outPtr,
        4,
        4,
        1,
        1,
        1,
        0,
        0,
      ] as const),
    );
    expect(fixture.f32(outPtr, 1)[0]).toBe(expected);
  });
});
