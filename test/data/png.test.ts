// PNG files from our own writer, with every filter, and from another library, which also reads
// files from ours.

import fc from 'fast-check';
import { decode, encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { parsePng, parsePngHeader } from '../../src/data/images/png.ts';
import { pngBytes } from '../support/pngBytes.ts';

const CHANNELS = { gray: 1, rgb: 3, palette: 1, grayAlpha: 2, rgba: 4 } as const;

function valuesOf(count: number, bits: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => (seed + i * 37 + ((i * i) >> 3)) % 2 ** bits);
}

const drawn = fc.record({
  width: fc.integer({ min: 1, max: 19 }),
  height: fc.integer({ min: 1, max: 11 }),
  seed: fc.nat(255),
});

describe('parsePng', () => {
  it.each(Object.keys(CHANNELS) as (keyof typeof CHANNELS)[])(
    'reads %s of 8 bits with any filters, as another library does',
    (kind) => {
      const filters = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 });
      fc.assert(
        fc.property(drawn, filters, ({ width, height, seed }, used) => {
          const values = valuesOf(width * height * CHANNELS[kind], 8, seed);
          const palette = ['PLTE', valuesOf(768, 8, 1)] as const;
          const chunks = kind === 'palette' ? [palette] : [];
          const bytes = pngBytes({ width, height, kind, values, filters: used, chunks });
          const image = parsePng(bytes, 'a.png');
          expect(Array.from(image.values)).toEqual(values);
          expect(image).toMatchObject({ width, height, kind, channels: CHANNELS[kind] });
          expect(Array.from(decode(bytes, { checkCrc: true }).data)).toEqual(values);
        }),
        { numRuns: 20 },
      );
    },
  );

  it.each([1, 2, 4])('reads grays and indexes of %i bits as they are', (bits) => {
    for (const kind of ['gray', 'palette'] as const) {
      for (const width of [1, 5, 8, 17]) {
        const values = valuesOf(width * 3, bits, width);
        const bytes = pngBytes({ width, height: 3, kind, bits, values, filters: [4, 1, 2] });
        expect(Array.from(parsePng(bytes, 'a.png').values)).toEqual(values);
      }
    }
  });

  it("reads another library's files, including interlaced ones", () => {
    fc.assert(
      fc.property(drawn, fc.integer({ min: 1, max: 4 }), ({ width, height, seed }, channels) => {
        const data = Uint8Array.from(valuesOf(width * height * channels, 8, seed));
        for (const interlace of ['null', 'Adam7'] as const) {
          const bytes = encode({ width, height, channels, depth: 8, data }, { interlace });
          expect(parsePng(new Uint8Array(bytes), 'a.png').values).toEqual(data);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('keeps a palette, and detects transparent colors', () => {
    const chunks = [
      ['PLTE', [9, 8, 7, 6, 5, 4]],
      ['tRNS', [0]],
    ] as const;
    const parts = { width: 2, height: 1, kind: 'palette', values: [1, 0] } as const;
    const image = parsePng(pngBytes({ ...parts, chunks }), 'a.png');
    expect(Array.from(image.palette)).toEqual([9, 8, 7, 6, 5, 4]);
    expect(image.hasTransparentColors).toBe(true);
    expect(parsePng(pngBytes(parts), 'a.png').hasTransparentColors).toBe(false);
  });

  it.each([
    [
      'more rows than the header says',
      { height: 4, values: new Array(12).fill(1) },
      3,
      /BUFFER_TOO/,
    ],
    ['fewer rows', { height: 2, values: new Array(6).fill(1) }, 3, /8 bytes of pixels instead of/],
  ])('refuses %s', (_what, parts, height, message) => {
    const other = pngBytes({ width: 3, height, values: new Array(9).fill(1) });
    const bytes = pngBytes({ width: 3, ...parts });
    // The header of one file before the pixels of the other.
    const mixed = Buffer.concat([other.subarray(0, 33), bytes.subarray(33)]);
    expect(() => parsePng(mixed, 'a.png')).toThrow(message);
  });

  it('refuses 16 bits, filters and chunks that it does not know, and a changed byte', () => {
    const parts = { width: 2, height: 2, values: [1, 2, 3, 4] };
    const read = (bytes: Uint8Array) => () => parsePng(bytes, 'a.png');
    expect(read(pngBytes({ ...parts, bits: 16 }))).toThrow(/bits of a\.png: expected .*, got 16/);
    expect(read(pngBytes({ ...parts, filters: [5] }))).toThrow(/a row of filter 5/);
    expect(read(pngBytes({ ...parts, chunks: [['NEWS', [1]]] }))).toThrow(/a chunk \\?"NEWS/);
    expect(read(pngBytes({ ...parts, chunks: [['teXt', [1]]] }))).not.toThrow();
    const bytes = pngBytes(parts);
    for (const [at] of bytes.entries()) {
      const changed = bytes.slice();
      changed[at]! ^= 4;
      expect(read(changed)).toThrow(UsageError);
      expect(read(bytes.subarray(0, at))).toThrow(UsageError);
    }
  });
});

describe('parsePngHeader', () => {
  it('needs only the first 33 bytes', () => {
    const bytes = pngBytes({ width: 3, height: 2, kind: 'rgb', values: new Array(18).fill(0) });
    const header = { width: 3, height: 2, bits: 8, kind: 'rgb', channels: 3, isInterlaced: false };
    expect(parsePngHeader(bytes.subarray(0, 33), 'a.png')).toEqual(header);
  });
});
