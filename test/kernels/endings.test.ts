// How convolutions of models that do not train may end: with an added tensor and a relu, with the
// same bits as separate passes.

import { beforeEach, describe, expect, it } from 'vitest';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

const PLACES = 36;

describe.each(BUILDS)('a convolution that ends with an add and a relu, %s build', (build) => {
  const fixture = createFixture(build, 64);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  /** Runs a convolution of so many outputs with every ending; `run` is told where to write, how far
   * the addend is from there, and whether to cut. */
  function expectEndings(
    count: number,
    run: (outPtr: number, addendBytes: number, isRelu: number) => void,
  ): void {
    const addendPtr = fixture.place(testValues(count, 3, 7));
    const ended = (isAdded: boolean, isRelu: number): Float32Array => {
      const outPtr = fixture.reserve(count);
      run(outPtr, isAdded ? addendPtr - outPtr : 0, isRelu);
      expect(fixture.f32(outPtr, count + 1)[count]).toBeNaN();
      return fixture.f32(outPtr, count).slice();
    };
    const plainPtr = fixture.place(ended(false, 0));
    const passPtr = fixture.reserve(count);
    kernels.reluF32(plainPtr, passPtr, count);
    expect(ended(false, 1)).toEqual(fixture.f32(passPtr, count));
    kernels.addF32(passPtr, plainPtr, addendPtr, count);
    expect(ended(true, 0)).toEqual(fixture.f32(passPtr, count));
    kernels.addReluF32(passPtr, plainPtr, addendPtr, count);
    expect(ended(true, 1)).toEqual(fixture.f32(passPtr, count));
  }

  it.each([
    // By rows; of one channel, in tiles of seven pixels and of four; in tiles of pixels.
    { height: 4, width: 16, inChannels: 3, outChannels: 13 },
    { height: 4, width: 10, inChannels: 1, outChannels: 19 },
    { height: 4, width: 5, inChannels: 1, outChannels: 8 },
    { height: 3, width: 3, inChannels: 4, outChannels: 8 },
    { height: 4, width: 5, inChannels: 30, outChannels: 44 },
  ])('in register tiles, %o', ({ height, width, inChannels, outChannels }) => {
    const pixelBytes = inChannels * 4;
    const rowBytes = (width + 2) * pixelBytes;
    const rows = 9 * inChannels;
    const outBytes = outChannels * 4;
    const xPtr = fixture.place(testValues((height + 2) * (width + 2) * inChannels, 2, 1));
    const biasPtr = fixture.place(testValues(outChannels, 1, 3));
    const panelsPtr = fixture.reserve(Math.ceil(outChannels / 8) * rows * 8);
    const weightPtr = fixture.place(testValues(rows * outChannels, 1, 2));
    kernels.packPanelsF32(weightPtr, outBytes, rows, outChannels, panelsPtr);
    expectEndings(height * width * outChannels, (outPtr, addendBytes, isRelu) => {
      kernels.convTilesF32(
        xPtr,
        ...([rowBytes, pixelBytes, 3, rowBytes, 1, 3 * pixelBytes, 3 * inChannels] as const),
        ...([panelsPtr, biasPtr, outPtr, width * outBytes, outBytes, height, width] as const),
        ...([outChannels, addendBytes, isRelu] as const),
      );
    });
  });

  it.each([
    // All columns of the last tile, one, two and three.
    { rowPoints: 6, columnPoints: 6, width: 12 },
    { rowPoints: 4, columnPoints: 6, width: 9 },
    { rowPoints: 6, columnPoints: 6, width: 10 },
    { rowPoints: 6, columnPoints: 6, width: 11 },
    { rowPoints: 6, columnPoints: 4, width: 6 },
    { rowPoints: 4, columnPoints: 4, width: 5 },
  ] as const)("by Winograd's transform, %o", ({ rowPoints, columnPoints, width }) => {
    const [channels, rows, columns, height] = [16, 2, 3, 2 * (rowPoints - 2)];
    const plane = rows * columns * channels;
    const productsPtr = fixture.place(testValues(PLACES * plane, 1, 3));
    const biasPtr = fixture.place(testValues(channels, 1, 9));
    const scratchPtr = fixture.place(new Float32Array(8192));
    expectEndings(height * width * channels, (outPtr, addendBytes, isRelu) => {
      kernels.winogradOutputF32(
        productsPtr,
        ...([plane * 4, height, width, channels, 0, 0, rows, columns] as const),
        ...([rowPoints, columnPoints, scratchPtr, biasPtr, outPtr, addendBytes, isRelu] as const),
      );
    });
  });
});
