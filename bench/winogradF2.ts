// Winograd's F(2x2, 3x3) with the matrices of Lavin and Gray (2016), one tile at a time, each
// operation rounded to float32: an algorithm for comparing errors with F(4x4, 3x3). For images of
// an even size, padding 1, and equally many input and output channels.

import { type Matrix, transposeRef } from '../src/kernels/reference/winograd.ts';

const OUTPUTS = 2;
const PLACES = 4;
const KERNEL = 3;
/** B', G and A'. */
const INPUT: Matrix = [
  [1, 0, -1, 0],
  [0, 1, 1, 0],
  [0, -1, 1, 0],
  [0, 1, 0, -1],
];
const WEIGHT: Matrix = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1],
];
const OUTPUT: Matrix = [
  [1, 1, 1, 0],
  [0, 1, -1, -1],
];

/** Images [N, S, S, C]. */
export interface SquareImages {
  readonly samples: number;
  readonly size: number;
  readonly channels: number;
}

/** The convolution of x with weight [3, 3, C, C]. */
export function convolveF2(
  x: Float32Array,
  weight: Float32Array,
  images: SquareImages,
): Float32Array {
  const { channels } = images;
  const tiles = tilesOf(images);
  const pairs = channels * channels;
  const planes = transform(WEIGHT, pairs, KERNEL, (row, column, pair) => {
    return weight[(row * KERNEL + column) * pairs + pair]!;
  });
  const y = new Float32Array(x.length);
  for (const tile of tiles) {
    const inputs = inputPlaces(x, images, tile);
    const sums = new Float32Array(PLACES * PLACES * channels);
    for (let place = 0; place < PLACES * PLACES; place++) {
      for (let to = 0; to < channels; to++) {
        let sum = 0;
        for (let from = 0; from < channels; from++) {
          const product =
            inputs[place * channels + from]! * planes[(place * channels + from) * channels + to]!;
          sum = Math.fround(sum + Math.fround(product));
        }
        sums[place * channels + to] = sum;
      }
    }
    const outputs = transform(OUTPUT, channels, PLACES, (row, column, c) => {
      return sums[(row * PLACES + column) * channels + c]!;
    });
    forEachOutput(images, tile, (pixel, place) => {
      const start = place * channels;
      y.set(outputs.subarray(start, start + channels), pixel * channels);
    });
  }
  return y;
}

/** The gradient of x: the convolution of dy with the weight rotated by 180 degrees. */
export function inputGradF2(
  dy: Float32Array,
  weight: Float32Array,
  images: SquareImages,
): Float32Array {
  const { channels } = images;
  const turned = weight.map((_, i) => {
    const [tap, from, to] = [
      Math.floor(i / channels ** 2),
      Math.floor(i / channels) % channels,
      i % channels,
    ];
    return weight[((KERNEL * KERNEL - 1 - tap) * channels + to) * channels + from]!;
  });
  return convolveF2(dy, turned, images);
}

/** The gradient of weight: summed in the transformed domain, over tiles in order, and transformed
 * at the end. */
export function weightGradF2(
  x: Float32Array,
  dy: Float32Array,
  images: SquareImages,
): Float32Array {
  const { channels } = images;
  const pairs = channels * channels;
  const sums = new Float32Array(PLACES * PLACES * pairs);
  for (const tile of tilesOf(images)) {
    const inputs = inputPlaces(x, images, tile);
    const pixels: number[] = [];
    forEachOutput(images, tile, (pixel) => pixels.push(pixel));
    const gradients = transform(transposeRef(OUTPUT), channels, OUTPUTS, (row, column, c) => {
      return dy[pixels[row * OUTPUTS + column]! * channels + c]!;
    });
    for (let place = 0; place < PLACES * PLACES; place++) {
      for (let from = 0; from < channels; from++) {
        for (let to = 0; to < channels; to++) {
          const i = (place * channels + from) * channels + to;
          const product = inputs[place * channels + from]! * gradients[place * channels + to]!;
          sums[i] = sums[i]! + Math.fround(product);
        }
      }
    }
  }
  return transform(transposeRef(WEIGHT), pairs, PLACES, (row, column, pair) => {
    return sums[(row * PLACES + column) * pairs + pair]!;
  });
}

interface Tile {
  readonly sample: number;
  /** Position of its first output. */
  readonly top: number;
  readonly left: number;
}

function tilesOf({ samples, size }: SquareImages): readonly Tile[] {
  const along = size / OUTPUTS;
  return Array.from({ length: samples * along * along }, (_, i) => ({
    sample: Math.floor(i / along ** 2),
    top: OUTPUTS * (Math.floor(i / along) % along),
    left: OUTPUTS * (i % along),
  }));
}

/** Calls back with the pixel of each output of a tile, and which of the four it is. */
function forEachOutput(
  { size }: SquareImages,
  { sample, top, left }: Tile,
  visit: (pixel: number, place: number) => void,
): void {
  for (let i = 0; i < OUTPUTS * OUTPUTS; i++) {
    const row = top + Math.floor(i / OUTPUTS);
    visit((sample * size + row) * size + left + (i % OUTPUTS), i);
  }
}

/** B' d B of a tile, with zeros outside the image. */
function inputPlaces(
  x: Float32Array,
  { size, channels }: SquareImages,
  { sample, top, left }: Tile,
): Float32Array {
  return transform(INPUT, channels, PLACES, (i, j, c) => {
    const [row, column] = [top + i - 1, left + j - 1];
    const isInside = row >= 0 && row < size && column >= 0 && column < size;
    return isInside ? x[((sample * size + row) * size + column) * channels + c]! : 0;
  });
}

/** M d M' of squares d, for several channels: [rows of M, rows of M, channels]. */
function transform(
  matrix: Matrix,
  channels: number,
  size: number,
  at: (row: number, column: number, channel: number) => number,
): Float32Array {
  const rows = matrix.length;
  const made = new Float32Array(rows * rows * channels);
  const half = new Float32Array(rows * size);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < rows; i++) {
      for (let column = 0; column < size; column++) {
        half[i * size + column] = dotRounded(matrix[i]!, (row) => at(row, column, c));
      }
    }
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < rows; j++) {
        const value = dotRounded(matrix[j]!, (column) => half[i * size + column]!);
        made[(i * rows + j) * channels + c] = value;
      }
    }
  }
  return made;
}

function dotRounded(row: readonly number[], at: (i: number) => number): number {
  let sum = 0;
  for (const [i, factor] of row.entries()) {
    if (factor !== 0) sum = Math.fround(sum + Math.fround(factor * at(i)));
  }
  return sum;
}
