// Masks that move with their images: if the labels of a mask are its image's values, they stay
// equal.

import { describe, expect, it } from 'vitest';
import { planAugmentation } from '../../src/data/loading/augment.ts';
import { createInputLoader, locateInArena } from '../../src/data/loading/inputs.ts';
import { createMaskMover } from '../../src/data/loading/masks.ts';
import { createFixture } from '../support/kernelFixture.ts';

const [HEIGHT, WIDTH, COUNT] = [5, 4, 3];
const SIZE = HEIGHT * WIDTH;
const OUTSIDE = 7;
const masks = Int32Array.from({ length: COUNT * SIZE }, (_, i) => 1 + ((i * 5) % 6));
masks[3] = -100;

describe.each([{ shift: 2, flip: true }, { crop: 3 }, { flip: true }])('a mask, %o', (options) => {
  const fixture = createFixture('strict', 16);
  const augmentation = planAugmentation(options, [HEIGHT, WIDTH, 1])!;
  const seed = 5;
  const loader = createInputLoader({
    kernels: fixture.kernels,
    inputShape: [HEIGHT, WIDTH, 1],
    inputType: 'f32',
    locate: locateInArena(fixture.place(Float32Array.from(masks)), SIZE * 4),
    normalizationPtr: fixture.place(Float32Array.of(0, 1)),
    augmentation,
    seed,
  });
  const dstPtr = fixture.reserve(SIZE);
  const mover = createMaskMover({
    maskShape: [HEIGHT, WIDTH],
    augmentation,
    seed,
    outside: OUTSIDE,
  });
  const places = Array.from({ length: 40 }, (_, i) => [i % COUNT, i >> 2, i] as const);

  it('moves like its image, and has one label outside', () => {
    const found = new Set<string>();
    for (const [sample, step, position] of places) {
      loader.loadAugmented(sample, dstPtr, step, position);
      const image = Int32Array.from(fixture.f32(dstPtr, SIZE), (value) => value || OUTSIDE);
      const moved = new Int32Array(SIZE + 1).fill(99);
      mover.move(masks, sample, moved, 1, step, position);
      expect(moved.subarray(1)).toEqual(image);
      expect(moved[0]).toBe(99);
      found.add(`${sample}: ${moved}`);
    }
    expect(found.size).toBeGreaterThan(COUNT);
  });

  it('is counted after it is moved', () => {
    for (const [sample, step, position] of places) {
      const moved = new Int32Array(SIZE);
      mover.move(masks, sample, moved, 0, step, position);
      const counts = new Int32Array(OUTSIDE + 1);
      mover.count(masks, sample, counts, step, position);
      expect(Array.from(counts)).toEqual(
        Array.from(counts, (_, label) => moved.filter((one) => one === label).length),
      );
    }
  });
});
