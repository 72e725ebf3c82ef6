// PNG files made by hand: any kind and depth, with a filter for each row.

import { crc32, deflateSync } from 'node:zlib';

/** The numbers of the kinds in a header, and the values of a pixel. */
const KINDS = {
  gray: [0, 1],
  rgb: [2, 3],
  palette: [3, 1],
  grayAlpha: [4, 2],
  rgba: [6, 4],
} as const;

export interface PngParts {
  readonly width: number;
  readonly height: number;
  /** Default: gray. */
  readonly kind?: keyof typeof KINDS;
  /** Default: 8. */
  readonly bits?: number;
  readonly values: ArrayLike<number>;
  /** The filters of rows, over and over; default: none. */
  readonly filters?: readonly number[];
  /** Chunks before the pixels. */
  readonly chunks?: readonly (readonly [type: string, data: readonly number[]])[];
}

export function pngBytes(parts: PngParts): Uint8Array {
  const { width, height, kind = 'gray', bits = 8, values, filters = [0], chunks = [] } = parts;
  const [color, channels] = KINDS[kind];
  const rowBytes = Math.ceil((width * channels * bits) / 8);
  const pixelBytes = Math.ceil((channels * bits) / 8);
  const rows = Buffer.alloc(height * rowBytes);
  for (let i = 0; i < width * height * channels; i++) {
    const bit = (i % (width * channels)) * bits;
    const at = Math.floor(i / (width * channels)) * rowBytes + (bit >> 3);
    if (bits === 16) rows.writeUInt16BE(values[i]!, at);
    else rows[at] = rows[at]! | (values[i]! << (8 - bits - (bit & 7)));
  }
  const filtered = Buffer.alloc(height * (1 + rowBytes));
  for (let y = 0; y < height; y++) {
    const filter = filters[y % filters.length]!;
    filtered[y * (1 + rowBytes)] = filter;
    for (let x = 0; x < rowBytes; x++) {
      const byteAt = (dx: number, dy: number): number =>
        x - dx < 0 || y - dy < 0 ? 0 : rows[(y - dy) * rowBytes + x - dx]!;
      const near = [byteAt(pixelBytes, 0), byteAt(0, 1), byteAt(pixelBytes, 1)] as const;
      filtered[y * (1 + rowBytes) + 1 + x] = byteAt(0, 0) - predictedBy(filter, ...near);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([bits, color], 8);
  return new Uint8Array(
    Buffer.concat([
      Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
      chunk('IHDR', header),
      ...chunks.map(([type, data]) => chunk(type, Uint8Array.from(data))),
      chunk('IDAT', deflateSync(filtered)),
      chunk('IEND', new Uint8Array()),
    ]),
  );
}

function predictedBy(filter: number, left: number, up: number, upLeft: number): number {
  const guess = left + up - upLeft;
  const nearest = [left, up, upLeft].sort((a, b) => Math.abs(guess - a) - Math.abs(guess - b))[0]!;
  return [0, left, up, Math.floor((left + up) / 2), nearest][filter] ?? 0;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}
