// The image kernels against their plain twins, bit for bit, in both numeric modes.

import { beforeAll, describe, expect, it } from 'vitest';
import { Purpose, RandomStream } from '../../src/base/random.ts';
import { loadImageF32Ref, loadImageU8Ref } from '../../src/kernels/reference/images.ts';
import { BUILDS, createFixture, type KernelFixture } from '../support/kernelFixture.ts';

const SHAPES = [
  [1, 1, 1],
  [1, 1, 5],
  [2, 3, 1],
  [5, 4, 3],
  [28, 28, 1],
  [3, 7, 8],
] as const;
const MOVES = [-40, -3, -1, 0, 1, 2, 40];
const SRC_PTR = 1025; // Images of bytes start anywhere.
const SRC_F32_PTR = 1028;
const TABLE_PTR = 65536;
const INV_STD_PTR = 65536 + 4096;
const DST_PTR = 131072;
const GUARD = 12345.5;
const PAGES = 16;

describe.each(BUILDS)('image kernels, %s', (build) => {
  let module: KernelFixture;
  beforeAll(() => {
    module = createFixture(build, PAGES);
  });

  /** Runs a kernel on a destination of guards, and checks the guard after it. */
  function runInto(size: number, run: () => void): Float32Array {
    const dst = new Float32Array(module.memory.buffer, DST_PTR, size + 1);
    dst.fill(GUARD);
    run();
    expect(dst[size]).toBe(GUARD);
    return Float32Array.from(dst.subarray(0, size));
  }

  it('loads bytes as the twin does, for all shapes, shifts and flips', () => {
    const { kernels, memory } = module;
    const random = new RandomStream().reset(1, Purpose.synthetic, 0, 0);
    for (const [height, width, channels] of SHAPES) {
      const size = height * width * channels;
      const source = Uint8Array.from({ length: size }, () => random.nextBelow(256));
      const table = Float32Array.from({ length: 256 * channels }, () => random.nextNormal());
      new Uint8Array(memory.buffer).set(source, SRC_PTR);
      new Float32Array(memory.buffer, TABLE_PTR).set(table);
      for (const flip of [0, 1]) {
        for (const dy of MOVES) {
          for (const dx of MOVES) {
            const out = runInto(size, () =>
              kernels.loadImageU8(
                SRC_PTR,
                DST_PTR,
                height,
                width,
                channels,
                TABLE_PTR,
                dy,
                dx,
                flip,
              ),
            );
            const move = { height, width, channels, dy, dx, flip };
            expect(out, JSON.stringify(move)).toEqual(loadImageU8Ref(source, table, move));
          }
        }
      }
    }
  });

  it('loads floats as the twin does, for all shapes, shifts and flips', () => {
    const { kernels, memory } = module;
    const random = new RandomStream().reset(2, Purpose.synthetic, 0, 0);
    for (const [height, width, channels] of SHAPES) {
      const size = height * width * channels;
      const source = Float32Array.from({ length: size }, () => 100 + random.nextNormal());
      const mean = Float32Array.from({ length: channels }, () => 100 + random.nextNormal());
      const invStd = Float32Array.from({ length: channels }, () => 0.5 + random.nextUniform());
      new Float32Array(memory.buffer, SRC_F32_PTR).set(source);
      new Float32Array(memory.buffer, TABLE_PTR).set(mean);
      new Float32Array(memory.buffer, INV_STD_PTR).set(invStd);
      for (const flip of [0, 1]) {
        for (const dy of MOVES) {
          for (const dx of MOVES) {
            const out = runInto(size, () =>
              kernels.loadImageF32(
                SRC_F32_PTR,
                DST_PTR,
                height,
                width,
                channels,
                TABLE_PTR,
                INV_STD_PTR,
                dy,
                dx,
                flip,
              ),
            );
            const move = { height, width, channels, dy, dx, flip };
            expect(out, JSON.stringify(move)).toEqual(loadImageF32Ref(source, mean, invStd, move));
          }
        }
      }
    }
  });

  it('subtracts a mean a million times the deviation before rounding', () => {
    const { kernels, memory } = module;
    new Float32Array(memory.buffer, SRC_F32_PTR).set([1_000_001, 999_999]);
    new Float32Array(memory.buffer, TABLE_PTR).set([1_000_000]);
    new Float32Array(memory.buffer, INV_STD_PTR).set([3]);
    const out = runInto(2, () =>
      kernels.loadImageF32(SRC_F32_PTR, DST_PTR, 1, 2, 1, TABLE_PTR, INV_STD_PTR, 0, 0, 0),
    );
    expect([...out]).toEqual([3, -3]);
  });
});

describe('the plain twins', () => {
  const table = Float32Array.from({ length: 256 }, (_, i) => i);
  const source = Uint8Array.of(1, 2, 3, 4, 5, 6); // 2 rows of 3 pixels.
  const at = (dy: number, dx: number, flip: number): number[] => [
    ...loadImageU8Ref(source, table, { height: 2, width: 3, channels: 1, dy, dx, flip }),
  ];

  it('move and mirror a small image as shown here', () => {
    expect(at(0, 0, 0)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(at(1, 0, 0)).toEqual([4, 5, 6, 0, 0, 0]);
    expect(at(-1, 0, 0)).toEqual([0, 0, 0, 1, 2, 3]);
    expect(at(0, 1, 0)).toEqual([2, 3, 0, 5, 6, 0]);
    expect(at(0, 0, 1)).toEqual([3, 2, 1, 6, 5, 4]);
    expect(at(1, -1, 1)).toEqual([5, 4, 0, 0, 0, 0]);
  });

  it('keep the channels of a pixel together when mirroring', () => {
    const pixels = Float32Array.of(1, 2, 3, 4); // 2 pixels of 2 channels.
    const move = { height: 1, width: 2, channels: 2, dy: 0, dx: 0, flip: 1 };
    const out = loadImageF32Ref(pixels, Float32Array.of(1, 2), Float32Array.of(1, 10), move);
    expect([...out]).toEqual([2, 20, 0, 0]);
  });
});
