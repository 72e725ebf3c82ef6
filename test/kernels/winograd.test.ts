// On small whole numbers, all that Winograd's kernels calculate is exact in float32, so that they
// are held to the published matrices without a tolerance.

import { beforeEach, describe, expect, it } from 'vitest';
import {
  INPUT_TRANSFORM,
  type Matrix,
  OUTPUT_TRANSFORM,
  sandwichRef,
  transposeRef,
  WEIGHT_TRANSFORM,
} from '../../src/kernels/reference/winograd.ts';
import { BUILDS, createFixture } from '../support/kernelFixture.ts';

const PLACES = 16;

/** Whole numbers from -8 to 8, all different patterns. */
function wholeNumbers(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => ((i * 7919 + seed * 104729) % 17) - 8);
}

/** Size x size numbers, by row and column. */
function tileOf(
  rows: number,
  columns: number,
  at: (row: number, column: number) => number,
): Matrix {
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => at(row, column)),
  );
}

describe.each(BUILDS)('Winograd kernels, %s build', (build) => {
  const fixture = createFixture(build, 64);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  /** A plane with a gap behind it that must stay as it is. */
  const strideOf = (length: number): number => length + 16;

  function planes(length: number): { ptr: number; read(): Float32Array[] } {
    const stride = strideOf(length);
    const ptr = fixture.reserve(PLACES * stride);
    return {
      ptr,
      read() {
        const all = fixture.f32(ptr, PLACES * stride);
        return Array.from({ length: PLACES }, (_, place) => {
          const plane = all.slice(place * stride, (place + 1) * stride);
          expect([...plane.slice(length)].every(Number.isNaN)).toBe(true);
          return plane.slice(0, length);
        });
      },
    };
  }

  function placePlanes(length: number, seed: number): { ptr: number; values: Float32Array[] } {
    const values = Array.from({ length: PLACES }, (_, i) => wholeNumbers(length, seed + i));
    const all = new Float32Array(PLACES * strideOf(length));
    for (const [i, plane] of values.entries()) all.set(plane, i * strideOf(length));
    return { ptr: fixture.place(all), values };
  }

  const SHAPES = [
    { tileRows: 1, tileColumns: 4, channels: 4 },
    { tileRows: 3, tileColumns: 2, channels: 8 },
    { tileRows: 2, tileColumns: 5, channels: 20 },
  ] as const;

  it.each(SHAPES)('transforms inputs of $tileRows x $tileColumns x $channels', (shape) => {
    const { tileRows, tileColumns, channels } = shape;
    const width = 2 * tileColumns + 3;
    const x = wholeNumbers((2 * tileRows + 2) * width * channels, 1);
    const found = planes(tileRows * tileColumns * channels);
    const plane = strideOf(tileRows * tileColumns * channels) * 4;
    const xPtr = fixture.place(x);
    const rowBytes = width * channels * 4;
    kernels.winogradInputF32(xPtr, rowBytes, tileRows, tileColumns, channels, found.ptr, plane);
    const values = found.read();
    for (let row = 0; row < tileRows; row++) {
      for (let column = 0; column < tileColumns; column++) {
        for (let c = 0; c < channels; c++) {
          const d = tileOf(
            4,
            4,
            (i, j) => x[((2 * row + i) * width + 2 * column + j) * channels + c]!,
          );
          const exact = sandwichRef(INPUT_TRANSFORM, d).flat();
          const at = (row * tileColumns + column) * channels + c;
          expect(values.map((of) => of[at]! + 0)).toEqual(exact.map((value) => value + 0));
        }
      }
    }
  });

  it.each(SHAPES)('transforms gradients of $tileRows x $tileColumns x $channels', (shape) => {
    const { tileRows, tileColumns, channels } = shape;
    const width = 2 * tileColumns + 1;
    const dy = wholeNumbers(2 * tileRows * width * channels, 2);
    const found = planes(tileRows * tileColumns * channels);
    const plane = strideOf(tileRows * tileColumns * channels) * 4;
    const dyPtr = fixture.place(dy);
    const rowBytes = width * channels * 4;
    kernels.winogradOutputGradF32(
      dyPtr,
      rowBytes,
      tileRows,
      tileColumns,
      channels,
      found.ptr,
      plane,
    );
    const values = found.read();
    const transform = transposeRef(OUTPUT_TRANSFORM);
    for (let row = 0; row < tileRows; row++) {
      for (let column = 0; column < tileColumns; column++) {
        for (let c = 0; c < channels; c++) {
          const d = tileOf(
            2,
            2,
            (i, j) => dy[((2 * row + i) * width + 2 * column + j) * channels + c]!,
          );
          const exact = sandwichRef(transform, d).flat();
          const at = (row * tileColumns + column) * channels + c;
          expect(values.map((of) => of[at]! + 0)).toEqual(exact.map((value) => value + 0));
        }
      }
    }
  });

  it.each([
    [4, 6, false],
    [3, 6, true],
    [4, 5, true],
    [3, 5, false],
  ] as const)('transforms back to %s x %s outputs, with bias: %s', (height, width, hasBias) => {
    const channels = 8;
    const [tileRows, tileColumns] = [Math.ceil(height / 2), Math.ceil(width / 2)];
    const length = tileRows * tileColumns * channels;
    const products = placePlanes(length, 3);
    const bias = wholeNumbers(channels, 9);
    const countOut = height * width * channels;
    const biasPtr = hasBias ? fixture.place(bias) : 0;
    const outPtr = fixture.reserve(countOut + 1);
    const plane = strideOf(length) * 4;
    kernels.winogradOutputF32(
      products.ptr,
      plane,
      tileRows,
      tileColumns,
      channels,
      biasPtr,
      outPtr,
      height,
      width,
    );
    const out = fixture.f32(outPtr, countOut + 1);
    expect(out[countOut]).toBeNaN();
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < channels; c++) {
          const at = ((y >> 1) * tileColumns + (x >> 1)) * channels + c;
          const m = tileOf(4, 4, (i, j) => products.values[i * 4 + j]![at]!);
          const exact = sandwichRef(OUTPUT_TRANSFORM, m)[y & 1]![x & 1]!;
          expect(out[(y * width + x) * channels + c]).toBe(exact + (hasBias ? bias[c]! : 0));
        }
      }
    }
  });

  it('transforms weights into panels, and their gradients back', () => {
    const [inChannels, outChannels] = [8, 24];
    const length = inChannels * outChannels;
    const weight = wholeNumbers(9 * length, 4);
    const found = planes(length);
    const plane = strideOf(length) * 4;
    kernels.winogradWeightsF32(fixture.place(weight), inChannels, outChannels, found.ptr, plane);
    const panels = found.read();
    const sums = placePlanes(length, 5);
    const gradPtr = fixture.reserve(9 * length + 1);
    kernels.winogradWeightGradF32(sums.ptr, plane, length, gradPtr);
    const grad = fixture.f32(gradPtr, 9 * length + 1);
    expect(grad[9 * length]).toBeNaN();
    for (let input = 0; input < inChannels; input++) {
      for (let output = 0; output < outChannels; output++) {
        const at = input * outChannels + output;
        const inPanel = ((output >> 3) * inChannels + input) * 8 + (output & 7);
        const g = tileOf(3, 3, (i, j) => weight[(i * 3 + j) * length + at]!);
        const transformed = sandwichRef(WEIGHT_TRANSFORM, g).flat();
        expect(panels.map((of) => of[inPanel]! + 0)).toEqual(transformed.map((value) => value + 0));
        const u = tileOf(4, 4, (i, j) => sums.values[i * 4 + j]![at]!);
        const exact = sandwichRef(transposeRef(WEIGHT_TRANSFORM), u).flat();
        const taps = Array.from({ length: 9 }, (_, tap) => grad[tap * length + at]! + 0);
        expect(taps).toEqual(exact.map((value) => value + 0));
      }
    }
  });

  it.each([4, 5, 7, 8])('multiplies planes of %s tiles', (tiles) => {
    const [inChannels, outChannels] = [16, 24];
    const src = placePlanes(tiles * inChannels, 6);
    const panels = placePlanes(inChannels * outChannels, 7);
    const found = planes(tiles * outChannels);
    kernels.winogradProductsF32(
      src.ptr,
      strideOf(tiles * inChannels) * 4,
      tiles,
      inChannels,
      panels.ptr,
      strideOf(inChannels * outChannels) * 4,
      found.ptr,
      strideOf(tiles * outChannels) * 4,
      outChannels,
    );
    for (const [place, plane] of found.read().entries()) {
      for (let tile = 0; tile < tiles; tile++) {
        for (let output = 0; output < outChannels; output++) {
          let exact = 0;
          for (let k = 0; k < inChannels; k++) {
            const weight =
              panels.values[place]![((output >> 3) * inChannels + k) * 8 + (output & 7)]!;
            exact += src.values[place]![tile * inChannels + k]! * weight;
          }
          expect(plane[tile * outChannels + output]).toBe(exact);
        }
      }
    }
  });

  it.each([4, 5, 8])('sums the products of %s tiles, anew and onto what is there', (tiles) => {
    const [inChannels, outChannels] = [16, 24];
    const src = placePlanes(tiles * inChannels, 8);
    const dy = placePlanes(tiles * outChannels, 9);
    const found = planes(inChannels * outChannels);
    const add = (accumulate: number): Float32Array[] => {
      kernels.winogradGradProductsF32(
        src.ptr,
        strideOf(tiles * inChannels) * 4,
        tiles,
        inChannels,
        dy.ptr,
        strideOf(tiles * outChannels) * 4,
        outChannels,
        found.ptr,
        strideOf(inChannels * outChannels) * 4,
        accumulate,
      );
      return found.read();
    };
    const once = add(0);
    for (const [place, plane] of once.entries()) {
      for (let i = 0; i < inChannels; i++) {
        for (let o = 0; o < outChannels; o++) {
          let exact = 0;
          for (let tile = 0; tile < tiles; tile++) {
            const value = src.values[place]![tile * inChannels + i]!;
            exact += value * dy.values[place]![tile * outChannels + o]!;
          }
          expect(plane[i * outChannels + o]).toBe(exact);
        }
      }
    }
    expect(add(1)).toEqual(once.map((plane) => plane.map((value) => 2 * value)));
  });
});
