// Kernels of the collectives against their twins, bit for bit; only NaN is compared as such, since
// WebAssembly leaves its payload open.

import { beforeEach, describe, expect, it } from 'vitest';
import { compileCollectiveKernels, instantiateCollectiveKernels } from '../../src/kernels/load.ts';
import {
  foldRanksRef,
  type RankOp,
  scanRanksRef,
} from '../../src/kernels/reference/collectives.ts';
import { createFixture } from '../support/kernelFixture.ts';

const TYPES = [Float32Array, Float64Array, Int32Array, Uint8Array] as const;
const OPS: readonly RankOp[] = ['sum', 'min', 'max', 'prod', 'mean'];
const SOURCES = [1, 2, 3, 5, 8];
const LENGTHS = [0, 1, 3, 7, 15, 16, 17, 63, 64, 100, 4099];
/** Elements by which arrays are moved off their alignment, and elements at their beginning that the
 * kernels are told to leave out. */
const PLACES = [
  { skew: 0, from: 0 },
  { skew: 1, from: 3 },
];
const SPECIAL = [NaN, -0, 0, Infinity, -Infinity, 2 ** 53, 1, -1, 3.4028234663852886e38, 1e-45];

type Type = (typeof TYPES)[number];
type Values = InstanceType<Type>;
type ScanOp = Exclude<RankOp, 'mean'>;

const isFloat = (type: Type) => type === Float32Array || type === Float64Array;
const codeOf = (type: Type, op: RankOp) => TYPES.indexOf(type) * 8 + OPS.indexOf(op);
const FOLDS = TYPES.flatMap((type) =>
  OPS.filter((op) => op !== 'mean' || isFloat(type)).map((op) => ({ type, name: type.name, op })),
);
const SCANS = FOLDS.flatMap(({ type, name, op }) => (op === 'mean' ? [] : [{ type, name, op }]));

/** Elements of one rank: any bits, special numbers, and numbers whose sums and products round. */
function valuesOf(type: Type, length: number, rank: number): Values {
  const words = new Uint32Array(Math.max(2, length * 2));
  let state = (rank + 1) * 2654435761;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state ^ (state >>> 15);
  }
  const values = new type(words.buffer).slice(0, length);
  if (!isFloat(type)) return values;
  for (let i = 0; i < length; i++) {
    if (i % 5 === 1) values[i] = SPECIAL[words[i]! % SPECIAL.length]!;
    else if (i % 5 !== 3) values[i] = (words[i]! / 2 ** 31 - 1) * 2 ** (words[i + 1]! % 30);
  }
  return values;
}

/** The bytes, with one NaN for all. */
function bitsOf(values: Values): Buffer {
  const copy = values.slice();
  for (let i = 0; i < copy.length; i++) if (Number.isNaN(copy[i])) copy[i] = NaN;
  return Buffer.from(copy.buffer);
}

function expectSameBits(found: Values, expected: Values, label: string): void {
  const [a, b] = [bitsOf(found), bitsOf(expected)];
  if (a.equals(b)) return;
  const i = a.findIndex((byte, at) => byte !== b[at]) / found.BYTES_PER_ELEMENT;
  const at = Math.floor(i);
  expect.fail(`${label}, element ${at}: ${found[at]} instead of ${expected[at]}`);
}

describe('collective kernels', () => {
  const fixture = createFixture('strict', 64);
  const kernels = instantiateCollectiveKernels(compileCollectiveKernels(), fixture.memory);
  beforeEach(() => fixture.reset());

  /** An array in the kernels' memory, between elements that are all ones. */
  function place(values: Values, skew: number): Values {
    const type = values.constructor as Type;
    const size = values.BYTES_PER_ELEMENT;
    const ptr = fixture.reserve(values.length + skew + 2, size) + (skew + 1) * size;
    const placed = new type(fixture.memory.buffer as unknown as ArrayBuffer, ptr, values.length);
    placed.set(values);
    return placed;
  }

  function expectUntouchedAround(values: Values): void {
    const size = values.BYTES_PER_ELEMENT;
    const ones = new Uint8Array(size).fill(255);
    expect(fixture.u8(values.byteOffset - size, size)).toEqual(ones);
    expect(fixture.u8(values.byteOffset + values.byteLength, size)).toEqual(ones);
  }

  const tableOf = (arrays: readonly Values[]) =>
    fixture.place(Int32Array.from(arrays, ({ byteOffset }) => byteOffset));

  function foldRanks(op: RankOp, sources: readonly Values[], targets: readonly Values[], from = 0) {
    const code = codeOf(sources[0]!.constructor as Type, op);
    const [s, d] = [tableOf(sources), tableOf(targets)];
    const { BYTES_PER_ELEMENT: size, length } = sources[0]!;
    const count = length - from;
    kernels.foldRanks(code, s, sources.length, d, targets.length, from * size, count);
  }

  function scanRanks(op: ScanOp, sources: readonly Values[], targets: readonly Values[], from = 0) {
    const code = codeOf(sources[0]!.constructor as Type, op);
    const [s, d] = [tableOf(sources), tableOf(targets)];
    const { BYTES_PER_ELEMENT: size, length } = sources[0]!;
    kernels.scanRanks(code, s, sources.length, d, from * size, length - from);
  }

  /** Calls `visit` for every number of ranks, length, skew and offset, with fresh values. */
  function forEachShape(
    type: Type,
    visit: (values: readonly Values[], skew: number, from: number, label: string) => void,
  ): void {
    for (const sources of SOURCES) {
      for (const length of LENGTHS) {
        const ranks = Array.from({ length: sources }, (_, rank) => rank);
        const values = ranks.map((rank) => valuesOf(type, length, rank));
        for (const { skew, from } of PLACES.filter((place) => place.from <= length)) {
          fixture.reset();
          visit(values, skew, from, `${sources} sources of ${length}, skew ${skew}, from ${from}`);
        }
      }
    }
  }

  /** Destinations to write to: apart from the sources, or the sources themselves. */
  const WHERE = [
    { where: 'one other array', inPlace: false, all: false },
    { where: 'as many other arrays', inPlace: false, all: true },
    { where: 'the last source', inPlace: true, all: false },
    { where: 'all sources', inPlace: true, all: true },
  ];

  describe.each(FOLDS)('foldRanks, $op of $name', ({ type, op }) => {
    it.each(WHERE)('equals its twin when it writes to $where', ({ inPlace, all }) => {
      forEachShape(type, (values, skew, from, label) => {
        const sources = values.map((array) => place(array, skew));
        // Skews that differ from those of the sources.
        const others = () => values.map((array) => place(new type(array.length), 1 - skew));
        const targets = (inPlace ? sources : others()).slice(all ? 0 : -1);
        const expected = targets.map((array) => array.slice());
        const parts = expected.map((array) => array.subarray(from));
        foldRanksRef(
          op,
          values.map((array) => array.subarray(from)),
          parts,
        );
        foldRanks(op, sources, targets, from);
        targets.forEach((found, k) => {
          expectSameBits(found, expected[k]!, `${label}, destination ${k}`);
          expectUntouchedAround(found);
        });
        sources.forEach((found, k) => {
          if (!targets.includes(found)) expectSameBits(found, values[k]!, `${label}, source ${k}`);
        });
      });
    });
  });

  describe.each(SCANS)('scanRanks, $op of $name', ({ type, op }) => {
    it.each([true, false])('equals its twin, in place: %s', (inPlace) => {
      forEachShape(type, (values, skew, from, label) => {
        const sources = values.map((array) => place(array, skew));
        const targets = inPlace
          ? sources
          : values.map((array) => place(new type(array.length), 1 - skew));
        const expected = targets.map((array) => array.slice());
        const parts = expected.map((array) => array.subarray(from));
        scanRanksRef(
          op,
          values.map((array) => array.subarray(from)),
          parts,
        );
        scanRanks(op, sources, targets, from);
        targets.forEach((found, k) => {
          expectSameBits(found, expected[k]!, `${label}, destination ${k}`);
          expectUntouchedAround(found);
        });
      });
    });
  });

  /** The fold of one number from each rank, at every place of arrays of 23. */
  function foldOf(type: Type, op: RankOp, numbers: readonly number[]): number {
    const sources = numbers.map((value) => place(new type(23).fill(value), 0));
    const target = place(new type(23), 0);
    foldRanks(op, sources, [target]);
    expect(new Set(target).size).toBe(1);
    return target[0]!;
  }

  it.each(TYPES)('the sum of 1 + i, 2 + i ... n + i is n (n + 1) / 2 + n i, $name', (type) => {
    for (const n of SOURCES) {
      const sources = Array.from({ length: n }, (_, rank) =>
        place(
          new type(20).map((_, i) => rank + 1 + i),
          1,
        ),
      );
      foldRanks('sum', sources, sources);
      for (const found of sources) {
        expect([...found]).toEqual([...found.map((_, i) => (n * (n + 1)) / 2 + n * i)]);
      }
    }
  });

  it('float32 is added and multiplied in float64 and rounded once', () => {
    expect(foldOf(Float32Array, 'sum', [2 ** 24, 1, 1])).toBe(2 ** 24 + 2);
    expect(foldOf(Float32Array, 'sum', [3e38, 3e38, -3e38])).toBe(Math.fround(3e38));
    expect(foldOf(Float32Array, 'prod', [1e30, 1e30, 1e-30])).toBe(Math.fround(1e30));
    expect(foldOf(Float32Array, 'mean', [3e38, 3e38])).toBe(Math.fround(3e38));
    expect(foldOf(Float32Array, 'mean', [1, 0, 0])).toBe(Math.fround(1 / 3));
  });

  it('float64 is added in rank order', () => {
    expect(foldOf(Float64Array, 'sum', [2 ** 53, 1, 1])).toBe(2 ** 53);
    expect(foldOf(Float64Array, 'sum', [1, 1, 2 ** 53])).toBe(2 ** 53 + 2);
    expect(foldOf(Float64Array, 'mean', [2 ** 53, 1, 1, 0])).toBe(2 ** 51);
  });

  it('int32 and uint8 wrap around, and bytes are unsigned', () => {
    expect(foldOf(Int32Array, 'sum', [2 ** 31 - 1, 1])).toBe(-(2 ** 31));
    expect(foldOf(Int32Array, 'prod', [65537, 65537, 3])).toBe(3 * 131073);
    expect(foldOf(Uint8Array, 'sum', [200, 100])).toBe(44);
    expect(foldOf(Uint8Array, 'prod', [255, 255, 7])).toBe(7);
    expect(foldOf(Uint8Array, 'min', [200, 100])).toBe(100);
    expect(foldOf(Uint8Array, 'max', [200, 100])).toBe(200);
  });

  it.each([Float32Array, Float64Array])('NaN wins, and -0 is less than 0, $name', (type) => {
    for (const op of ['min', 'max'] as const) {
      for (const place of [0, 1, 2]) {
        expect(foldOf(type, op, [1, 2, 3].with(place, NaN))).toBeNaN();
      }
    }
    for (const zeros of [[-0, 0] as const, [0, -0] as const]) {
      expect(foldOf(type, 'min', zeros)).toBe(-0);
      expect(foldOf(type, 'max', zeros)).toBe(0);
    }
  });

  it('the scan keeps its running sum in float64 and stores it rounded', () => {
    const ranks = [2 ** 24, 1, 1, 0].map((value) => place(new Float32Array(9).fill(value), 0));
    scanRanks('sum', ranks, ranks);
    expect(ranks.map(([first]) => first)).toEqual([0, 2 ** 24, 2 ** 24, 2 ** 24 + 2]);
  });

  it('the first rank of a scan gets the identity of the type', () => {
    const first = (type: Type, op: ScanOp) => {
      const ranks = [place(new type(5).fill(1), 0), place(new type(5).fill(1), 0)];
      scanRanks(op, ranks, ranks);
      return ranks[0]![4];
    };
    const ops = ['sum', 'prod', 'min', 'max'] as const;
    const found = TYPES.map((type) => ops.map((op) => first(type, op)));
    expect(found).toEqual([
      [0, 1, Infinity, -Infinity],
      [0, 1, Infinity, -Infinity],
      [0, 1, 2 ** 31 - 1, -(2 ** 31)],
      [0, 1, 255, 0],
    ]);
  });

  it('unknown codes trap', () => {
    const ranks = [place(new Int32Array(1), 0), place(new Int32Array(1), 0)];
    expect(() => foldRanks('mean', ranks, ranks)).toThrow(WebAssembly.RuntimeError);
    expect(() => scanRanks('mean' as ScanOp, ranks, ranks)).toThrow(WebAssembly.RuntimeError);
  });

  it('copyBytes copies, even if the ranges overlap', () => {
    const ptr = fixture.place(Uint8Array.of(1, 2, 3, 4, 5));
    kernels.copyBytes(ptr + 1, ptr, 4);
    expect([...fixture.u8(ptr, 5)]).toEqual([1, 1, 2, 3, 4]);
  });
});
