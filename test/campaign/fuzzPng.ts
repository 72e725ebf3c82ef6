// PNG files to damage: their bytes, or, with corrected checksums, their chunks and the packed data
// in them.

import { crc32, deflateSync, inflateSync } from 'node:zlib';
import { pngBytes } from '../support/pngBytes.ts';
import type { Dice } from './dice.ts';
import { mutateBytes } from './mutations.ts';

const SIGNATURE_BYTES = 8;
/** Length and type before a chunk's data, a checksum after them. */
const BEFORE_DATA = 8;
const AFTER_DATA = 4;
const MIB = 2 ** 20;

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** Six images of several kinds with their masks. */
export function maskFolder(): Record<string, Uint8Array> {
  const [width, height] = [7, 6];
  const pixels = (values: number): number[] =>
    Array.from({ length: width * height * values }, (_, i) => (i * i * 7) % 251);
  const palette = ['PLTE', [0, 0, 0, 255, 0, 0, 0, 255, 0]] as const;
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < 6; i++) {
    files[`images/${i}.png`] = pngBytes({
      ...{ width, height, kind: 'rgb', values: pixels(3), filters: [i % 5, 4, 3, 2, 1] },
    });
    files[`masks/${i}.png`] =
      i % 2 === 0
        ? pngBytes({ width, height, values: pixels(1).map((value) => value % 3) })
        : pngBytes({
            ...{ width, height, kind: 'palette', bits: 2, chunks: [palette] },
            values: pixels(1).map((value) => value % 3),
          });
  }
  return files;
}

/** Damages the bytes, a chunk, the packed rows, or the order of chunks. */
export function pngInside(dice: Dice, png: Uint8Array): Uint8Array {
  if (dice.chance(0.3)) return mutateBytes(dice, png);
  const chunks = chunksOf(png);
  const at = dice.below(chunks.length);
  const { type, data } = chunks[at]!;
  switch (dice.below(4)) {
    case 0:
      chunks.splice(at, dice.below(2), { type: dice.pick(['IHDR', 'PLTE', 'IDAT', 'zzZz']), data });
      break;
    case 1:
      chunks.splice(at, 1);
      break;
    case 2:
      chunks[at] = { type, data: mutateBytes(dice, data) };
      break;
    default:
      return fileOf(chunks.map((chunk) => (chunk.type === 'IDAT' ? repacked(dice, chunk) : chunk)));
  }
  return fileOf(chunks);
}

/** Sometimes with much more data than the header announces. */
function repacked(dice: Dice, { type, data }: Chunk): Chunk {
  const rows = mutateBytes(dice, inflateSync(data));
  const zeros = Buffer.alloc(dice.chance(0.02) ? dice.pick([1, 20, 200]) * MIB : 0);
  return { type, data: deflateSync(Buffer.concat([rows, zeros]), { level: 1 }) };
}

function chunksOf(png: Uint8Array): Chunk[] {
  const bytes = Buffer.from(png);
  const chunks: Chunk[] = [];
  let at = SIGNATURE_BYTES;
  while (at < bytes.length) {
    const start = at + BEFORE_DATA;
    const end = start + bytes.readUInt32BE(at);
    chunks.push({
      type: bytes.toString('latin1', at + 4, start),
      data: bytes.subarray(start, end),
    });
    at = end + AFTER_DATA;
  }
  return chunks;
}

function fileOf(chunks: readonly Chunk[]): Uint8Array {
  const parts = chunks.map(({ type, data }) => {
    const bytes = Buffer.alloc(BEFORE_DATA + data.length + AFTER_DATA);
    bytes.writeUInt32BE(data.length);
    bytes.write(type, 4, 'latin1');
    bytes.set(data, BEFORE_DATA);
    const end = BEFORE_DATA + data.length;
    bytes.writeUInt32BE(crc32(bytes.subarray(4, end)), end);
    return bytes;
  });
  return new Uint8Array(
    Buffer.concat([Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), ...parts]),
  );
}
