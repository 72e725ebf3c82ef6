// .npy files: what is read, what is refused, and that nothing else is ever thrown.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { parseNpy } from '../../src/data/npy/npy.ts';
import { npyBytes, npyFile } from '../support/dataFiles.ts';

describe('parseNpy', () => {
  it.each([1, 2, 3] as const)('reads every dtype in format version %d', (version) => {
    const read = (descr: string, values: ArrayBufferView): unknown =>
      parseNpy(npyBytes(descr, [3], values, { version }), 'file').values;
    expect(read('|u1', Uint8Array.of(0, 1, 255))).toEqual(Uint8Array.of(0, 1, 255));
    expect(read('<i4', Int32Array.of(-1, 0, 7))).toEqual(Int32Array.of(-1, 0, 7));
    expect(read('<i8', BigInt64Array.of(-1n, 0n, 7n))).toEqual(Int32Array.of(-1, 0, 7));
    expect(read('<f4', Float32Array.of(0.1, -0, 3e38))).toEqual(Float32Array.of(0.1, -0, 3e38));
    expect(read('<f8', Float64Array.of(0.1, -0, 1e-3))).toEqual(Float64Array.of(0.1, -0, 1e-3));
  });

  it.each([[[]], [[1]], [[2, 3]], [[2, 3, 4]], [[2, 1, 4, 3]], [[0, 5]]])(
    'reads shape %j',
    (shape) => {
      const count = shape.reduce((product: number, size) => product * size, 1);
      const values = Uint8Array.from({ length: count }, (_, i) => i);
      expect(parseNpy(npyBytes('|u1', shape, values), 'file')).toEqual({ shape, values });
    },
  );

  it('reads keys in any order, without the last comma, and sizes as Python 2 wrote them', () => {
    const text = "{'shape':(2L,),'fortran_order':False , 'descr': '|u1'}";
    const file = npyFile(text, { values: Uint8Array.of(1, 2) });
    expect(parseNpy(file, 'file').shape).toEqual([2]);
  });

  it('reads floats from any address', () => {
    const bytes = npyBytes('<f4', [2], Float32Array.of(1.5, 2.5));
    const moved = new Uint8Array(bytes.length + 1);
    moved.set(bytes, 1);
    expect(parseNpy(moved.subarray(1), 'file').values).toEqual(Float32Array.of(1.5, 2.5));
  });

  it('reads numbers of any size and byte order', () => {
    const read = (descr: string, ...bytes: number[]): unknown =>
      parseNpy(npyBytes(descr, [2], Uint8Array.from(bytes)), 'file').values;
    expect(read('|b1', 0, 2)).toEqual(Uint8Array.of(0, 1));
    expect(read('|i1', 0x80, 7)).toEqual(Int32Array.of(-128, 7));
    expect(read('<u2', 0xff, 0xff, 1, 0)).toEqual(Int32Array.of(65535, 1));
    expect(read('>i2', 0xff, 0xfe, 0, 1)).toEqual(Int32Array.of(-2, 1));
    expect(read('>u4', 0, 0, 1, 0, 0, 0, 0, 2)).toEqual(Int32Array.of(256, 2));
    const wide = [...new Array(7).fill(0), 3, ...new Array(6).fill(0), 1, 0];
    expect(read('>i8', ...wide)).toEqual(Int32Array.of(3, 256));
    expect(read('>u8', ...wide)).toEqual(Int32Array.of(3, 256));
    expect(read('>f4', 0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0)).toEqual(Float32Array.of(1, -2));
    expect(read('>f8', 0x3f, 0xf0, ...new Array(6).fill(0), 0xc0, ...new Array(7).fill(0))).toEqual(
      Float64Array.of(1, -2),
    );
  });

  it('reads floats of 16 bits', () => {
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x3555, 1, 0x83ff, 0x7bff, 0x7c00, 0x8000);
    const { values } = parseNpy(npyBytes('<f2', [8], bits), 'file');
    expect(values).toEqual(
      Float32Array.of(1, -2, 0.333251953125, 2 ** -24, -1023 * 2 ** -24, 65504, Infinity, -0),
    );
    expect(parseNpy(npyBytes('>f2', [1], Uint8Array.of(0x7e, 0)), 'file').values[0]).toBeNaN();
  });

  it.each([
    [
      [3, 2],
      [0, 3, 1, 4, 2, 5],
    ],
    [
      [2, 2, 3],
      [0, 4, 8, 2, 6, 10, 1, 5, 9, 3, 7, 11],
    ],
    [[4], [0, 1, 2, 3]],
    [[0, 3], []],
    [[], [0]],
  ])('turns Fortran order of shape %j to C order', (shape, wanted) => {
    const values = Int32Array.from(wanted, (_, i) => i);
    const bytes = npyBytes('<i4', shape, values, { fortran: true });
    expect(parseNpy(bytes, 'file')).toEqual({ shape, values: Int32Array.from(wanted) });
  });

  const good = npyBytes('<f4', [2, 2], new Float32Array(4));
  const head = (text: string): Uint8Array => npyFile(text, { values: new Uint8Array(4) });
  const cases: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /^file is truncated: expected .*, got "0 bytes"/],
    ['another magic', new Uint8Array(64), /magic of file: expected .*, got "00 00 00 00 00 00"/],
    ['the magic alone', good.subarray(0, 6), /^file is truncated: expected .*, got "6 bytes"/],
    [
      'a cut header',
      good.subarray(0, 60),
      /^file is truncated: expected .*header of 128 bytes.*, got "60 bytes"/,
    ],
    [
      'a cut body',
      good.subarray(0, 143),
      /^file is truncated: expected .*exactly 144 bytes.*, got "143 bytes"/,
    ],
    [
      'trailing bytes',
      Uint8Array.from([...good, 1]),
      /trailing bytes: expected .*exactly 144.*, got "145 bytes"/,
    ],
    [
      'version 4',
      npyFile("{'descr': '|u1'}", { version: 4 }),
      /version of file: expected 1, 2, 3.*, got 4/,
    ],
    [
      'object arrays',
      npyBytes('|O', [4], new Uint8Array(4)),
      /dtype of file: expected .*, got "'\|O'".*pickles/,
    ],
    [
      'records',
      head("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
      /dtype of file: expected .*, got "\[\('a', '<f4'\)\]"/,
    ],
    ['a header that is not a dictionary', head('hello'), /header of file: expected .*, got "hello/],
    ['a missing key', head("{'descr': '|u1', 'shape': (4,), }"), /header of file/],
    [
      'code in the header',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': exit(), }"),
      /header of file/,
    ],
    [
      'something behind the dictionary',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': (4,), } 1"),
      /header of file/,
    ],
    [
      'negative sizes',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': (-4, -1), }"),
      /shape of file: expected .*, got "\(-4, -1\)"/,
    ],
    [
      'a shape that is no tuple',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': [4], }"),
      /shape of file/,
    ],
    [
      'sizes beyond any memory',
      head(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2147483647, 2147483647, 2147483647), }",
      ),
      /^file is truncated/,
    ],
    [
      'a size beyond 32 bits',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999,), }"),
      /shape of file/,
    ],
    [
      'int64 values beyond 32 bits',
      npyBytes('<i8', [1], BigInt64Array.of(2n ** 31n)),
      /value 0 of file: expected .*, got "2147483648"/,
    ],
    [
      'other dtypes',
      npyBytes('<c8', [1], new Uint8Array(8)),
      /dtype of file: expected .*, got "'<c8'".*astype/,
    ],
    [
      'floats of a byte',
      npyBytes('|f1', [1], new Uint8Array(1)),
      /dtype of file: expected .*, got "'\|f1'"/,
    ],
  ];
  it.each(cases)('refuses %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'file')).toThrow(UsageError);
    expect(() => parseNpy(bytes, 'file')).toThrow(message);
  });

  it('bounds the length of the header before it reads it', () => {
    const bytes = npyFile("{'descr': '|u1'}", { version: 2 });
    new DataView(bytes.buffer).setUint32(8, 0xffffffff, true);
    expect(() => parseNpy(bytes, 'file')).toThrow(
      /header length of file: expected .*, got "4294967295 bytes"/,
    );
  });

  it('throws nothing but UsageError on any bytes', () => {
    const word = fc.constantFrom(
      ...["'descr'", "'shape'", "'fortran_order'", ':', ',', '{', '}', '(', ')', "'|u1'", "'<f8'"],
      ...['False', 'True', '2', '1', ' ', '[', ']', "'", '99999999999', '-1', 'é'],
    );
    const text = fc.array(word, { maxLength: 24 }).map((words) => npyFile(words.join('')));
    const dictionary = fc
      .tuple(
        fc.constantFrom('|u1', '<f4', '<i8', '|O'),
        fc.array(fc.nat(3), { maxLength: 5 }),
        fc.uint8Array(),
      )
      .map(([descr, shape, values]) => npyBytes(descr, shape, values));
    const flipped = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, value]) => {
      const bytes = Uint8Array.from(good);
      bytes[at] = value;
      return bytes;
    });
    const any = fc.oneof(fc.uint8Array({ maxLength: 64 }), text, dictionary, flipped);
    fc.assert(
      fc.property(any, (bytes) => {
        try {
          const { shape, values } = parseNpy(bytes, 'file');
          expect(values).toHaveLength(shape.reduce((product, size) => product * size, 1));
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });
});
