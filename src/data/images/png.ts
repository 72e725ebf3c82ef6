// PNG files (W3C PNG, third edition) as stored numbers: for a palette, its indexes, which masks
// consist of, with the colors separate. 1, 2, 4 or 8 bits, interlaced or not. Node unpacks and
// checks them; the header bounds sizes before anything is unpacked.

import { crc32, inflateSync } from 'node:zlib';
import { UsageError } from '../../base/errors.ts';
import { codeOf, MAX_FILE_BYTES, truncated } from '../formats/files.ts';

/** The meaning of a pixel's values. */
export type PngKind = 'gray' | 'rgb' | 'palette' | 'grayAlpha' | 'rgba';

/** The header of a file. */
export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** Bits per value: 1, 2, 4, 8 or 16. */
  readonly bits: number;
  readonly kind: PngKind;
  /** Values per pixel; 1 for a palette. */
  readonly channels: number;
  readonly isInterlaced: boolean;
}

/** The contents of a file. */
export interface PngImage extends PngHeader {
  /** As stored, from 0 to 2^bits - 1: [height, width, channels]. */
  readonly values: Uint8Array;
  /** The colors of a palette, three bytes each. */
  readonly palette: Uint8Array;
  /** Whether some colors are transparent, apart from alpha channels. */
  readonly hasTransparentColors: boolean;
}

/** The signature, and the IHDR chunk. */
export const PNG_HEAD_BYTES = 33;
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const HEADER_BYTES = 13;
/** Parts of a chunk: length and type before its data, checksum after it. */
const BEFORE_DATA = 8;
const AFTER_DATA = 4;
/** A bit in the first letter of a chunk's type: decoders may skip the chunk. */
const ANCILLARY = 0x20;

/** By the color type in the header. */
const KINDS: ReadonlyMap<number, readonly [PngKind, channels: number, bits: readonly number[]]> =
  new Map([
    [0, ['gray', 1, [1, 2, 4, 8, 16]]],
    [2, ['rgb', 3, [8, 16]]],
    [3, ['palette', 1, [1, 2, 4, 8]]],
    [4, ['grayAlpha', 2, [8, 16]]],
    [6, ['rgba', 4, [8, 16]]],
  ]);

/** Pixels x0, x0 + dx, ... of rows y0, y0 + dy, ..., which are stored as a separate image. */
interface Pass {
  readonly x0: number;
  readonly y0: number;
  readonly dx: number;
  readonly dy: number;
}

const ALL: readonly Pass[] = [{ x0: 0, y0: 0, dx: 1, dy: 1 }];
const ADAM7: readonly Pass[] = [
  { x0: 0, y0: 0, dx: 8, dy: 8 },
  { x0: 4, y0: 0, dx: 8, dy: 8 },
  { x0: 0, y0: 4, dx: 4, dy: 8 },
  { x0: 2, y0: 0, dx: 4, dy: 4 },
  { x0: 0, y0: 2, dx: 2, dy: 4 },
  { x0: 1, y0: 0, dx: 2, dy: 2 },
  { x0: 0, y0: 1, dx: 1, dy: 2 },
];

/** Reads the first {@link PNG_HEAD_BYTES} bytes, or more, of a file; `file` is for messages. Throws
 * a {@link UsageError} for anything but a PNG file. */
export function parsePngHeader(bytes: Uint8Array, file: string): PngHeader {
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) {
    throw new UsageError({ what: file, given: 'another kind of file', allowed: 'a PNG file' });
  }
  if (bytes.length < PNG_HEAD_BYTES) throw truncated(file, bytes.length, 'a PNG file');
  const { type, data } = chunkAt(bytes, SIGNATURE.length, file);
  if (type !== 'IHDR' || data.length !== HEADER_BYTES) throw broken(file, 'another first chunk');
  const view = viewOf(data);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [bits = 0, color = 0, packing, filtering, interlacing = 0] = data.subarray(8);
  const found = KINDS.get(color);
  const isKnown = found?.[2].includes(bits) === true && packing === 0 && filtering === 0;
  if (!isKnown || interlacing > 1 || width === 0 || height === 0) {
    throw broken(file, `a header of ${data.join(' ')}`);
  }
  const [kind, channels] = found;
  return { width, height, bits, kind, channels, isInterlaced: interlacing === 1 };
}

/** Parses a PNG file of at most 8 bits. For an animation, returns the first picture. Throws a
 * {@link UsageError} if anything is damaged or missing. */
export function parsePng(bytes: Uint8Array, file: string): PngImage {
  const header = parsePngHeader(bytes, file);
  const { width, height, bits, channels } = header;
  if (bits > 8) throw new UsageError({ what: `bits of ${file}`, given: bits, allowed: '1 to 8' });
  const packed: Uint8Array[] = [];
  let palette = new Uint8Array();
  let hasTransparentColors = false;
  for (let at = PNG_HEAD_BYTES, isEnd = false; !isEnd; ) {
    const { type, data, next } = chunkAt(bytes, at, file);
    if (type === 'IDAT') packed.push(data);
    else if (type === 'PLTE') palette = data.slice();
    else if (type === 'tRNS') hasTransparentColors = true;
    else if (type !== 'IEND' && (bytes[at + 4]! & ANCILLARY) === 0) {
      throw broken(file, `a chunk ${JSON.stringify(type)}`);
    }
    isEnd = type === 'IEND';
    at = next;
  }
  const passes = passesOf(header);
  const rows = inflated(packed, passes, file);
  const values = new Uint8Array(width * height * channels);
  let at = 0;
  for (const pass of passes) {
    unfilter(rows, at, pass, file);
    unpackRows(rows, at, pass, header, values);
    at += pass.countRows * (1 + pass.rowBytes);
  }
  return { ...header, values, palette, hasTransparentColors };
}

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** Offset of the next chunk. */
  readonly next: number;
}

function chunkAt(bytes: Uint8Array, at: number, file: string): Chunk {
  const least = at + BEFORE_DATA + AFTER_DATA;
  if (bytes.length < least) throw truncated(file, bytes.length, `at least ${least} bytes`);
  const view = viewOf(bytes);
  const next = least + view.getUint32(at);
  if (bytes.length < next) throw truncated(file, bytes.length, `at least ${next} bytes`);
  const checked = bytes.subarray(at + 4, next - AFTER_DATA);
  const type = Buffer.from(checked.subarray(0, 4)).toString('latin1');
  if (crc32(checked) !== view.getUint32(next - AFTER_DATA)) {
    throw broken(file, `a chunk ${JSON.stringify(type)} with a wrong checksum`);
  }
  return { type, data: checked.subarray(4), next };
}

interface SizedPass extends Pass {
  readonly countRows: number;
  readonly countColumns: number;
  /** Without the filter byte before each row. */
  readonly rowBytes: number;
  /** Distance from a byte to that of the previous pixel, at least 1. */
  readonly pixelBytes: number;
}

/** The passes that have pixels. */
function passesOf(header: PngHeader): readonly SizedPass[] {
  const { width, height, bits, channels, isInterlaced } = header;
  return (isInterlaced ? ADAM7 : ALL)
    .map((pass) => {
      const countColumns = Math.ceil((width - pass.x0) / pass.dx);
      const countRows = Math.ceil((height - pass.y0) / pass.dy);
      const rowBytes = Math.ceil((countColumns * channels * bits) / 8);
      const pixelBytes = Math.ceil((channels * bits) / 8);
      return { ...pass, countColumns, countRows, rowBytes, pixelBytes };
    })
    .filter(({ countColumns, countRows }) => countColumns > 0 && countRows > 0);
}

/** The rows of all passes, one after another. */
function inflated(
  packed: readonly Uint8Array[],
  passes: readonly SizedPass[],
  file: string,
): Uint8Array {
  const wanted = passes.reduce((sum, pass) => sum + pass.countRows * (1 + pass.rowBytes), 0);
  if (wanted > MAX_FILE_BYTES) throw broken(file, `${wanted} bytes of pixels`);
  try {
    const rows = inflateSync(Buffer.concat(packed), { maxOutputLength: wanted });
    if (rows.length === wanted) return rows;
    throw broken(file, `${rows.length} bytes of pixels instead of ${wanted}`);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw broken(file, `pixels that cannot be unpacked (${code})`);
  }
}

/** Restores the rows of a pass, from `start` on, from differences to their neighbors. In place. */
function unfilter(rows: Uint8Array, start: number, pass: SizedPass, file: string): void {
  const { countRows, rowBytes, pixelBytes } = pass;
  for (let y = 0; y < countRows; y++) {
    const first = start + y * (1 + rowBytes) + 1;
    const filter = rows[first - 1]!;
    if (filter > 4) throw broken(file, `a row of filter ${filter}`);
    if (filter === 0) continue;
    for (let i = 0; i < rowBytes; i++) {
      const at = first + i;
      const above = at - rowBytes - 1;
      const left = i >= pixelBytes ? rows[at - pixelBytes]! : 0;
      const up = y > 0 ? rows[above]! : 0;
      const upLeft = y > 0 && i >= pixelBytes ? rows[above - pixelBytes]! : 0;
      rows[at] = rows[at]! + predicted(filter, left, up, upLeft);
    }
  }
}

/** The prediction that a byte is stored relative to. */
function predicted(filter: number, left: number, up: number, upLeft: number): number {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  // Paeth: the neighbor nearest to left + up - upLeft.
  const toLeft = Math.abs(up - upLeft);
  const toUp = Math.abs(left - upLeft);
  const toUpLeft = Math.abs(left + up - 2 * upLeft);
  if (toLeft <= toUp && toLeft <= toUpLeft) return left;
  return toUp <= toUpLeft ? up : upLeft;
}

/** Writes the values of a pass to their pixels. */
function unpackRows(
  rows: Uint8Array,
  start: number,
  { x0, y0, dx, dy, countRows, countColumns, rowBytes }: SizedPass,
  { width, channels, bits }: PngHeader,
  values: Uint8Array,
): void {
  const largest = 2 ** bits - 1;
  for (let row = 0; row < countRows; row++) {
    const first = start + row * (1 + rowBytes) + 1;
    const to = (y0 + row * dy) * width + x0;
    for (let i = 0; i < countColumns * channels; i++) {
      const bit = i * bits;
      const value = (rows[first + (bit >> 3)]! >> (8 - bits - (bit & 7))) & largest;
      const column = Math.floor(i / channels);
      values[(to + column * dx) * channels + (i - column * channels)] = value;
    }
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function broken(file: string, given: string): UsageError {
  return new UsageError({ what: file, given, allowed: 'a whole PNG file' });
}
