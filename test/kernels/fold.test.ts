import { beforeEach, describe, expect, it } from 'vitest';
import { columnSumsRef, foldTreeRef } from '../../src/kernels/reference/fold.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

const LENGTHS = [0, 1, 2, 3, 4, 7, 4096];
const CHANNELS = [1, 3, 4, 5, 8, 13, 32];
const ROWS = [0, 1, 2, 7, 1000];

describe.each(BUILDS)('fold kernels, %s build', (build) => {
  const fixture = createFixture(build, 32);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each(LENGTHS)('addF32 and addF64 add %d elements, even in place', (length) => {
    const [a, b] = [testValues(length, 1, 1), testValues(length, 1e3, 2)];
    const sum = a.map((value, i) => value + b[i]!);
    const [wideA, wideB] = [Float64Array.from(a), Float64Array.from(b)];
    const wideSum = wideA.map((value, i) => value + wideB[i]!);
    for (const into of [0, 1, 2] as const) {
      const ptrs = [fixture.place(a), fixture.place(b), fixture.reserve(length)] as const;
      kernels.addF32(ptrs[into], ptrs[0], ptrs[1], length);
      expect(fixture.f32(ptrs[into], length)).toEqual(sum);
      expect(fixture.f32(ptrs[into], length + 1)[length]).toBeNaN();
      const wide = [
        fixture.place(wideA),
        fixture.place(wideB),
        fixture.reserve(length, 8),
      ] as const;
      kernels.addF64(wide[into], wide[0], wide[1], length);
      expect(fixture.f64(wide[into], length)).toEqual(wideSum);
      expect(fixture.f64(wide[into], length + 1)[length]).toBeNaN();
    }
  });

  it.each(LENGTHS)('narrowF64 rounds %d numbers to nearest', (length) => {
    const values = Float64Array.from({ length }, (_, i) => (i - 2) / 3 + 2 ** -25 * i);
    const dstPtr = fixture.reserve(length);
    kernels.narrowF64(dstPtr, fixture.place(values), length);
    expect(fixture.f32(dstPtr, length)).toEqual(Float32Array.from(values));
  });

  it.each(CHANNELS.flatMap((channels) => ROWS.map((rows) => [rows, channels])))(
    'columnSumsF32 equals its twin, %d rows of %d channels',
    (rows, channels) => {
      const dy = testValues(rows! * channels!);
      const sumsPtr = fixture.reserve(channels!, 8);
      kernels.columnSumsF32(fixture.place(dy), rows!, channels!, sumsPtr);
      expect(fixture.f64(sumsPtr, channels!)).toEqual(columnSumsRef(dy, rows!, channels!));
      expect(fixture.f64(sumsPtr, channels! + 1)[channels!]).toBeNaN();
    },
  );

  it.each([0, 1, 3, 128])('zeroBytes clears %d bytes and no more', (length) => {
    const ptr = fixture.reserve(length, 1);
    kernels.zeroBytes(ptr, length);
    expect(fixture.u8(ptr, length)).toEqual(new Uint8Array(length));
    expect(fixture.u8(ptr, length + 1)[length]).toBe(255);
  });
});

describe('foldTreeRef', () => {
  it('splits so that the left part is the largest power of two below the size', () => {
    const show = (size: number): string =>
      foldTreeRef(
        Array.from({ length: size }, (_, i) => String(i)),
        (left, right) => `(${left}${right})`,
      );
    expect([1, 2, 3, 4, 5, 6].map(show)).toEqual([
      '0',
      '(01)',
      '((01)2)',
      '((01)(23))',
      '(((01)(23))4)',
      '(((01)(23))(45))',
    ]);
  });
});
