import { describe, expect, it } from 'vitest';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

/** Planes of 3 x 4 pixels, of which the sums are over 2 x 3 from (1, 1) on. */
const [HEIGHT, WIDTH] = [3, 4];
const [ROWS, COLUMNS] = [2, 3];

describe.each(BUILDS)('weight gradients folded in registers, %s build', (build) => {
  const fixture = createFixture(build, 8);
  const { kernels } = fixture;

  it.each([
    { samples: 1, leaves: 1, channels: [4, 8] },
    { samples: 1, leaves: 4, channels: [12, 24] },
    { samples: 3, leaves: 2, channels: [8, 48] },
    { samples: 2, leaves: 8, channels: [4, 40] },
  ] as const)('have the bits of leaves that are folded, %o', ({ samples, leaves, channels }) => {
    fixture.reset();
    const [inner, outer] = channels;
    const pixels = samples * leaves * HEIGHT * WIDTH;
    const x = fixture.place(testValues(pixels * inner, 2, 1));
    const dy = fixture.place(testValues(pixels * outer, 1, 2));
    const sizesOf = (count: number) => {
      const pixelBytes = count * 4;
      const rowBytes = WIDTH * pixelBytes;
      return { pixelBytes, rowBytes, sampleBytes: HEIGHT * rowBytes };
    };
    const [from, to] = [sizesOf(inner), sizesOf(outer)];
    const xPtr = x + from.rowBytes + from.pixelBytes;
    const dyPtr = dy + to.rowBytes + to.pixelBytes;
    const length = inner * outer;

    const grads = Array.from({ length: leaves }, () => fixture.reserve(length));
    for (const [leaf, gradPtr] of grads.entries()) {
      for (let sample = 0; sample < samples; sample++) {
        const at = leaf * samples + sample;
        kernels.convWeightGradTilesF32(
          xPtr + at * from.sampleBytes,
          ...([from.rowBytes, from.pixelBytes, 1, 0, 1, 0, inner] as const),
          dyPtr + at * to.sampleBytes,
          ...([to.rowBytes, to.pixelBytes, ROWS, COLUMNS, outer, gradPtr] as const),
          ...([to.pixelBytes, sample > 0 ? 1 : 0, 0] as const),
        );
      }
    }
    for (let width = 1; width < leaves; width *= 2) {
      for (let leaf = 0; leaf < leaves; leaf += 2 * width) {
        kernels.addF32(grads[leaf]!, grads[leaf]!, grads[leaf + width]!, length);
      }
    }
    const expected = fixture.f32(grads[0]!, length);

    const gradPtr = fixture.reserve(length);
    const scratchFloats = 64 * (2 + Math.log2(leaves));
    const scratchPtr = fixture.reserve(scratchFloats);
    kernels.foldedWeightGradF32(
      ...([xPtr, from.sampleBytes, from.rowBytes, from.pixelBytes] as const),
      ...([dyPtr, to.sampleBytes, to.rowBytes, to.pixelBytes] as const),
      ...([ROWS, COLUMNS, samples, leaves, inner, outer, gradPtr, to.pixelBytes] as const),
      scratchPtr,
    );
    expect(fixture.f32(gradPtr, length)).toEqual(expected);
    expect(fixture.f32(gradPtr, length + 1)[length]).toBeNaN();
    expect(fixture.f32(scratchPtr, scratchFloats + 1)[scratchFloats]).toBeNaN();
  });
});
