// Winograd's kernels against the matrices that their interface states, in float64. The values have
// magnitude 1, so an absolute bound is a bound in units of the last place. The layer shows that the
// matrices convolve (test/nn/conv2d.test.ts); here only the transforms do.

import { beforeEach, describe, expect, it } from 'vitest';
import {
  type Matrix,
  sandwichRef,
  transposeRef,
  WEIGHT_TRANSFORM,
  WINOGRAD_AXES,
} from '../../src/kernels/reference/winograd.ts';
import { BUILDS, createFixture } from '../support/kernelFixture.ts';

const POINTS = 6;
const PLACES = POINTS * POINTS;
const SCRATCH_FLOATS = 8192;
const ULP = 2 ** -23;

function valuesOf(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(7.3 * i + 31.7 * seed));
}

function tileOf(
  rows: number,
  columns: number,
  at: (row: number, column: number) => number,
): Matrix {
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => at(row, column)),
  );
}

/** The largest error so far; NaN is expected where nothing may be written. */
function worstError(): { ulps: number; add(value: number, exact: number): void } {
  return {
    ulps: 0,
    add(value, exact) {
      const isSame = Number.isNaN(value) && Number.isNaN(exact);
      const error = isSame ? 0 : Math.abs(value - exact) / ULP;
      // NaN stays NaN, and is not below any bound.
      this.ulps = Math.max(this.ulps, error);
    },
  };
}

/** Regions of an image of 11 x 13: inside, over the borders, all kinds of tiles. */
const REGIONS = [
  { top: 1, left: 2, rows: 2, columns: 2, rowPoints: 6, columnPoints: 6, channels: 8 },
  { top: -1, left: -2, rows: 3, columns: 4, rowPoints: 6, columnPoints: 6, channels: 16 },
  { top: -1, left: 11, rows: 3, columns: 1, rowPoints: 6, columnPoints: 4, channels: 24 },
  { top: 9, left: -1, rows: 1, columns: 3, rowPoints: 4, columnPoints: 6, channels: 8 },
  { top: 9, left: 11, rows: 1, columns: 1, rowPoints: 4, columnPoints: 4, channels: 16 },
] as const;
const [HEIGHT, WIDTH] = [11, 13];

describe.each(BUILDS)('Winograd kernels, %s build', (build) => {
  const fixture = createFixture(build, 64);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  /** A plane followed by a gap that must stay as it is. */
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
    const values = Array.from({ length: PLACES }, (_, i) => valuesOf(length, seed + i));
    const all = new Float32Array(PLACES * strideOf(length));
    for (const [i, plane] of values.entries()) all.set(plane, i * strideOf(length));
    return { ptr: fixture.place(all), values };
  }

  const placeOf = (row: number, column: number): number => row * POINTS + column;

  /** The planes of a region's tiles, and what they have to be: `axis` gives the matrix of an axis,
   * `size` how many pixels of the image it takes; beyond the image are zeros. */
  function expectTiles(
    found: Float32Array[],
    image: Float32Array,
    region: (typeof REGIONS)[number],
    axis: (points: 4 | 6) => Matrix,
  ): void {
    const { top, left, rows, columns, rowPoints, columnPoints, channels } = region;
    const [down, along] = [axis(rowPoints), axis(columnPoints)];
    const worst = worstError();
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (let c = 0; c < channels; c++) {
          const tile = tileOf(down[0]!.length, along[0]!.length, (i, j) => {
            const y = top + row * (rowPoints - 2) + i;
            const x = left + column * (columnPoints - 2) + j;
            const isInside = y >= 0 && y < HEIGHT && x >= 0 && x < WIDTH;
            return isInside ? image[(y * WIDTH + x) * channels + c]! : 0;
          });
          const exact = sandwichRef(down, tile, along);
          const at = (row * columns + column) * channels + c;
          for (let i = 0; i < rowPoints; i++) {
            for (let j = 0; j < columnPoints; j++) {
              worst.add(found[placeOf(i, j)]![at]!, exact[i]![j]!);
            }
          }
        }
      }
    }
    expect(worst.ulps).toBeLessThan(40);
  }

  it.each(REGIONS)('transforms inputs of $rowPoints x $columnPoints from $top, $left', (region) => {
    const { top, left, rows, columns, rowPoints, columnPoints, channels } = region;
    const x = valuesOf(HEIGHT * WIDTH * channels, 1);
    const length = rows * columns * channels;
    const found = planes(length);
    kernels.winogradInputF32(
      fixture.place(x),
      HEIGHT,
      WIDTH,
      channels,
      top,
      left,
      rows,
      columns,
      rowPoints,
      columnPoints,
      fixture.reserve(SCRATCH_FLOATS),
      found.ptr,
      strideOf(length) * 4,
    );
    expectTiles(found.read(), x, region, (points) => WINOGRAD_AXES[points].input);
  });

  it.each(REGIONS)('transforms gradients, $rowPoints x $columnPoints, $top, $left', (region) => {
    const inside = { ...region, top: Math.max(region.top, 0), left: Math.max(region.left, 0) };
    const { top, left, rows, columns, rowPoints, columnPoints, channels } = inside;
    const dy = valuesOf(HEIGHT * WIDTH * channels, 2);
    const length = rows * columns * channels;
    const found = planes(length);
    kernels.winogradOutputGradF32(
      fixture.place(dy),
      HEIGHT,
      WIDTH,
      channels,
      top,
      left,
      rows,
      columns,
      rowPoints,
      columnPoints,
      fixture.reserve(SCRATCH_FLOATS),
      found.ptr,
      strideOf(length) * 4,
    );
    const axis = (points: 4 | 6): Matrix => transposeRef(WINOGRAD_AXES[points].output);
    expectTiles(found.read(), dy, inside as typeof region, axis);
  });

  it.each([
    { ...REGIONS[0], hasBias: true },
    { ...REGIONS[1], top: 0, left: 0, hasBias: false },
    { ...REGIONS[2], top: 0, left: 12, hasBias: true },
    { ...REGIONS[3], top: 10, left: 0, hasBias: false },
    { ...REGIONS[4], top: 9, left: 11, hasBias: true },
  ])('transforms back, $rowPoints x $columnPoints to $top, $left', (region) => {
    const { top, left, rows, columns, rowPoints, columnPoints, channels, hasBias } = region;
    const length = rows * columns * channels;
    const products = placePlanes(length, 3);
    const bias = valuesOf(channels, 9);
    const countOut = HEIGHT * WIDTH * channels;
    const biasPtr = hasBias ? fixture.place(bias) : 0;
    const outPtr = fixture.reserve(countOut + 1);
    kernels.winogradOutputF32(
      products.ptr,
      strideOf(length) * 4,
      HEIGHT,
      WIDTH,
      channels,
      top,
      left,
      rows,
      columns,
      rowPoints,
      columnPoints,
      fixture.reserve(SCRATCH_FLOATS),
      biasPtr,
      outPtr,
      0,
      0,
    );
    const out = fixture.f32(outPtr, countOut + 1);
    const [down, along] = [WINOGRAD_AXES[rowPoints].output, WINOGRAD_AXES[columnPoints].output];
    const worst = worstError();
    const [bottom, right] = [top + rows * down.length, left + columns * along.length];
    for (let y = 0; y < HEIGHT; y++) {
      for (let x = 0; x < WIDTH; x++) {
        for (let c = 0; c < channels; c++) {
          const value = out[(y * WIDTH + x) * channels + c]!;
          if (y < top || y >= bottom || x < left || x >= right) {
            worst.add(value, Number.NaN);
            continue;
          }
          const [row, i] = [Math.trunc((y - top) / down.length), (y - top) % down.length];
          const [column, j] = [Math.trunc((x - left) / along.length), (x - left) % along.length];
          const at = (row * columns + column) * channels + c;
          const tile = tileOf(rowPoints, columnPoints, (p, q) => {
            return products.values[placeOf(p, q)]![at]!;
          });
          const exact = sandwichRef(down, tile, along)[i]![j]! + (hasBias ? bias[c]! : 0);
          worst.add(value, exact);
        }
      }
    }
    expect(worst.ulps).toBeLessThan(60);
    expect(out[countOut]).toBeNaN();
  });

  it('transforms weights into panels, turns them, and transforms gradients back', () => {
    const [inChannels, outChannels] = [16, 24];
    const length = inChannels * outChannels;
    const weight = valuesOf(9 * length, 4);
    const stride = strideOf(length) * 4;
    const found = planes(length);
    const [weightPtr, tapBytes, rowBytes] = [fixture.place(weight), length * 4, outChannels * 4];
    // In two blocks of output channels.
    for (const [from, count] of [
      [0, 8],
      [8, 16],
    ] as const) {
      const to = found.ptr + from * inChannels * 4;
      const steps = [tapBytes, rowBytes, inChannels, count, to, stride] as const;
      kernels.winogradWeightsF32(weightPtr + from * 4, ...steps);
    }
    const turned = planes(length);
    kernels.winogradTurnPanelsF32(found.ptr, inChannels, outChannels, stride, turned.ptr);
    const sums = placePlanes(length, 5);
    const gradPtr = fixture.reserve(9 * length + 1);
    const scratch = fixture.reserve(SCRATCH_FLOATS);
    // In two blocks of input channels.
    for (const from of [0, length / 2]) {
      const [sumsPtr, toPtr] = [sums.ptr + from * 4, gradPtr + from * 4];
      kernels.winogradWeightGradF32(sumsPtr, stride, length / 2, scratch, toPtr, tapBytes);
    }
    const grad = fixture.f32(gradPtr, 9 * length + 1);
    expect(grad[9 * length]).toBeNaN();
    const [panels, turnedPanels] = [found.read(), turned.read()];
    const G = WEIGHT_TRANSFORM;
    const worst = worstError();
    for (let input = 0; input < inChannels; input++) {
      for (let output = 0; output < outChannels; output++) {
        const at = input * outChannels + output;
        const inPanel = ((output >> 3) * inChannels + input) * 8 + (output & 7);
        const inTurned = ((input >> 3) * outChannels + output) * 8 + (input & 7);
        const g = tileOf(3, 3, (i, j) => weight[(i * 3 + j) * length + at]!);
        const transformed = sandwichRef(G, g, G).flat();
        const half = tileOf(3, 3, (i, j) => g[2 - i]![2 - j]!);
        const transformedHalf = sandwichRef(G, half, G).flat();
        for (let place = 0; place < PLACES; place++) {
          worst.add(panels[place]![inPanel]!, transformed[place]!);
          worst.add(turnedPanels[place]![inTurned]!, transformedHalf[place]!);
        }
        const u = tileOf(POINTS, POINTS, (i, j) => sums.values[placeOf(i, j)]![at]!);
        const exact = sandwichRef(transposeRef(G), u, transposeRef(G)).flat();
        for (let tap = 0; tap < 9; tap++) {
          worst.add(grad[tap * length + at]!, exact[tap]!);
        }
      }
    }
    expect(worst.ulps).toBeLessThan(20);
  });

  /** Tail columns, full tiles, tail rows, corners. */
  const COUNTS = [
    [0, 1, 0, 0],
    [0, 4, 0, 0],
    [2, 3, 0, 0],
    [0, 6, 2, 0],
    [3, 9, 3, 1],
    [0, 11, 0, 0],
    [0, 13, 0, 0],
  ] as const;

  /** Which tiles have a place: from and to. */
  function tilesOf(place: number, counts: readonly number[]): readonly [number, number] {
    const [tailColumns, full, tailRows, corners] = counts as [number, number, number, number];
    const isShortRow = Math.trunc(place / POINTS) < 4;
    const isShortColumn = place % POINTS < 4;
    const end = tailColumns + full + (isShortRow ? tailRows + (isShortColumn ? corners : 0) : 0);
    return [isShortColumn ? 0 : tailColumns, end];
  }

  it.each(COUNTS)('multiplies planes of %s + %s + %s + %s tiles', (...counts) => {
    const [inChannels, outChannels] = [16, 24];
    const tiles = counts.reduce<number>((sum, count) => sum + count, 0);
    const src = placePlanes(tiles * inChannels, 6);
    const panels = placePlanes(inChannels * outChannels, 7);
    const found = planes(tiles * outChannels);
    // In two blocks of output channels.
    for (const [from, count] of [
      [0, 8],
      [8, 16],
    ] as const) {
      kernels.winogradProductsF32(
        src.ptr,
        strideOf(tiles * inChannels) * 4,
        ...counts,
        inChannels,
        panels.ptr + from * inChannels * 4,
        strideOf(inChannels * outChannels) * 4,
        found.ptr + from * 4,
        strideOf(tiles * outChannels) * 4,
        outChannels * 4,
        count,
      );
    }
    const worst = worstError();
    for (const [place, plane] of found.read().entries()) {
      const [from, to] = tilesOf(place, counts);
      for (let tile = 0; tile < tiles; tile++) {
        for (let output = 0; output < outChannels; output++) {
          const value = plane[tile * outChannels + output]!;
          if (tile < from || tile >= to) {
            worst.add(value, Number.NaN);
            continue;
          }
          let exact = 0;
          for (let k = 0; k < inChannels; k++) {
            const weight =
              panels.values[place]![((output >> 3) * inChannels + k) * 8 + (output & 7)]!;
            exact += src.values[place]![tile * inChannels + k]! * weight;
          }
          worst.add(value, exact);
        }
      }
    }
    expect(worst.ulps).toBeLessThan(30);
  });

  it.each(COUNTS)('sums products of %s + %s + %s + %s tiles, from zero and added', (...counts) => {
    const [inChannels, outChannels] = [16, 24];
    const tiles = counts.reduce<number>((sum, count) => sum + count, 0);
    const src = placePlanes(tiles * inChannels, 8);
    const dy = placePlanes(tiles * outChannels, 9);
    const found = planes(inChannels * outChannels);
    const add = (accumulate: number): Float32Array[] => {
      kernels.winogradGradProductsF32(
        src.ptr,
        strideOf(tiles * inChannels) * 4,
        ...counts,
        inChannels * 4,
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
    const worst = worstError();
    for (const [place, plane] of once.entries()) {
      const [from, to] = tilesOf(place, counts);
      for (let i = 0; i < inChannels; i++) {
        for (let o = 0; o < outChannels; o++) {
          let exact = 0;
          for (let tile = from; tile < to; tile++) {
            const value = src.values[place]![tile * inChannels + i]!;
            exact += value * dy.values[place]![tile * outChannels + o]!;
          }
          worst.add(plane[i * outChannels + o]!, exact);
        }
      }
    }
    expect(worst.ulps).toBeLessThan(30);
    expect(add(1)).toEqual(once.map((plane) => plane.map((value) => 2 * value)));
  });
});
