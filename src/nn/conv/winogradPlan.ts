// Which convolutions use Winograd, and how their outputs are cut into tiles and bands. All of it
// follows from the spec and the shapes, so bits depend on nothing else.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { type ConvAxes, PANEL_CHANNELS } from './convSteps.ts';

/** Outputs of a tile of F(4, 3) and of F(2, 3) along an axis; a tile has two more places. */
const FULL_OUTPUTS = 4;
const TAIL_OUTPUTS = 2;
const EXTRA_PLACES = 2;
export const KERNEL = 3;
/** The places of a tile of F(4x4, 3x3). */
export const PLACES = (FULL_OUTPUTS + EXTRA_PLACES) ** 2;
/** With fewer channels the transforms cost more than the products save. */
const MIN_CHANNELS = 16;
/** With fewer pixels along an axis a tile is mostly waste. */
const MIN_PIXELS = 3;
/** The most memory for the transformed tiles of a band, inputs and outputs together, if the band
 * has more than one row: what fits into the L2 cache beside the weights. */
const BAND_BYTES = 576 * 1024;
/** Tiles of a band of the weight gradient: its sums are read and written once per band. */
export const GRADIENT_TILES = 128;
/** Tiles of a band if weights are transformed in blocks. */
const BLOCK_TILES = 32;
const LINE_BYTES = 64;

/** How an axis is cut: tiles of F(4, 3), and one of F(2, 3) at the end if that suffices. */
interface AxisTiles {
  readonly full: number;
  readonly hasTail: boolean;
}

/** Tiles of one kind that form a rectangle of an image. */
export interface Region {
  /** The position of the first output. */
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly columns: number;
  /** The places of a tile along each axis, 6 or 4. */
  readonly rowPoints: number;
  readonly columnPoints: number;
  /** Tiles of one sample before these, in the order of {@link Cut.regions}. */
  readonly before: number;
  readonly tiles: number;
}

/** A part of each sample of a band: consecutive rows of tiles. */
export interface Cut {
  /** In the order of the kernels: tail columns, full tiles, tail rows, the corner. */
  readonly regions: readonly Region[];
  /** Tiles of one sample in each of the four; 0 for an absent region. */
  readonly tailColumns: number;
  readonly full: number;
  readonly tailRows: number;
  readonly corners: number;
}

/** The tiles of an image, in bands of whole samples or of parts of one. */
export interface Tiling {
  readonly height: number;
  readonly width: number;
  readonly cuts: readonly Cut[];
  readonly samplesOfBand: number;
  /** The most tiles in a band. */
  readonly tiles: number;
}

/** Whether a convolution uses Winograd: it is not `direct`, is 3x3 with stride 1, without dilation
 * or groups, its channels are multiples of 8 and at least 16, and both sides have at least 3x3
 * pixels. */
export function isWinograd(spec: Conv2dSpec, axes: ConvAxes): boolean {
  const { inChannels, outChannels, groups, algorithm } = spec;
  const fits = (axis: ConvAxes['x']): boolean =>
    axis.kernel === KERNEL &&
    axis.stride === 1 &&
    axis.dilation === 1 &&
    Math.max(axis.before, axis.after) < KERNEL &&
    Math.min(axis.input, axis.output) >= MIN_PIXELS;
  return (
    algorithm === 'auto' &&
    groups === 1 &&
    fits(axes.y) &&
    fits(axes.x) &&
    [inChannels, outChannels].every((c) => c % PANEL_CHANNELS === 0 && c >= MIN_CHANNELS)
  );
}

/** Whether the weight gradient is also summed over tiles. With one tile per sample, transforming
 * the sums back takes longer than summing directly. */
export function sumsTiles({ y, x }: ConvAxes): boolean {
  return Math.max(y.output, x.output) > FULL_OUTPUTS;
}

function axisTiles(size: number): AxisTiles {
  const rest = size % FULL_OUTPUTS;
  const hasTail = rest > 0 && rest <= TAIL_OUTPUTS;
  return { full: hasTail ? (size - rest) / FULL_OUTPUTS : Math.ceil(size / FULL_OUTPUTS), hasTail };
}

/** The tiles that a band has regardless of their size. */
export function leastTiles(hasBlocks: boolean): number {
  return hasBlocks ? BLOCK_TILES : 1;
}

/** Cuts an image that a convolution writes into bands, which may have at least `leastTiles` tiles
 * regardless of their size. */
export function tilingOf(
  [height, width]: readonly [number, number],
  spec: Conv2dSpec,
  leastTiles = 1,
): Tiling {
  const [y, x] = [axisTiles(height), axisTiles(width)];
  const tileBytes = PLACES * (spec.inChannels + spec.outChannels) * FLOAT_BYTES;
  const tilesOfBand = Math.max(leastTiles, Math.floor(BAND_BYTES / tileBytes));
  const tilesOfRow = x.full + (x.hasTail ? 1 : 0);
  const rowsOfBand = Math.max(1, Math.floor(tilesOfBand / tilesOfRow));
  const parts = Math.max(1, Math.ceil(y.full / rowsOfBand));
  const cuts = Array.from({ length: parts }, (_, part) => {
    const first = Math.floor((part * y.full) / parts);
    const rows = Math.floor(((part + 1) * y.full) / parts) - first;
    return cutRows({ first, rows, hasTail: y.hasTail && part === parts - 1 }, x);
  });
  const tilesOfCut = Math.max(...cuts.map(countTiles));
  const samplesOfBand = parts === 1 ? Math.max(1, Math.floor(tilesOfBand / tilesOfCut)) : 1;
  return { height, width, cuts, samplesOfBand, tiles: samplesOfBand * tilesOfCut };
}

function countTiles({ tailColumns, full, tailRows, corners }: Cut): number {
  return tailColumns + full + tailRows + corners;
}

/** Cuts rows of full tiles starting at `first`, and then the row of tails, if any. */
function cutRows(
  y: { readonly first: number; readonly rows: number; readonly hasTail: boolean },
  x: AxisTiles,
): Cut {
  const tailColumns = x.hasTail ? y.rows : 0;
  const full = y.rows * x.full;
  const tailRows = y.hasTail ? x.full : 0;
  const corners = y.hasTail && x.hasTail ? 1 : 0;
  const top = y.first * FULL_OUTPUTS;
  const tailTop = (y.first + y.rows) * FULL_OUTPUTS;
  const tailLeft = x.full * FULL_OUTPUTS;
  const short = TAIL_OUTPUTS + EXTRA_PLACES;
  const long = FULL_OUTPUTS + EXTRA_PLACES;
  const regions = [
    { top, left: tailLeft, rows: y.rows, columns: 1, rowPoints: long, columnPoints: short },
    { top, left: 0, rows: y.rows, columns: x.full, rowPoints: long, columnPoints: long },
    { top: tailTop, left: 0, rows: 1, columns: x.full, rowPoints: short, columnPoints: long },
    { top: tailTop, left: tailLeft, rows: 1, columns: 1, rowPoints: short, columnPoints: short },
  ];
  const tiles = [tailColumns, full, tailRows, corners];
  let before = 0;
  return {
    tailColumns,
    full,
    tailRows,
    corners,
    regions: regions
      .map((region, i) => {
        const placed = { ...region, before, tiles: tiles[i]! };
        before += placed.tiles;
        return placed;
      })
      .filter((region) => region.tiles > 0),
  };
}

/** The distance between planes of `length` floats: an odd number of cache lines, so that the places
 * of a tile map to different cache sets. */
export function planeBytes(length: number): number {
  return (Math.ceil((length * FLOAT_BYTES) / LINE_BYTES) | 1) * LINE_BYTES;
}

/** The floats of the 512-byte lines that the weight gradient's transform holds. */
const WEIGHT_GRAD_FLOATS = (FULL_OUTPUTS + EXTRA_PLACES) * KERNEL * 128;
/** Constants at the start of scratch. */
const SPARE_FLOATS = 16;

/** The scratch of the transforms. They hold a row of tiles: its 6 lines and one line of zeros. On
 * the way back they hold the 6 places of each tile and a spare pixel for 4 lines, which is less. */
export function scratchFloats(width: number, channels: number): number {
  const pixels = Math.ceil(width / FULL_OUTPUTS) * FULL_OUTPUTS + EXTRA_PLACES;
  const lines = FULL_OUTPUTS + EXTRA_PLACES + 1;
  return Math.max(lines * pixels * channels + SPARE_FLOATS, WEIGHT_GRAD_FLOATS);
}
