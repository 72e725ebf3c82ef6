// The tiles of an image cover each of its outputs once, whatever its size and however it is cut.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tilingOf } from '../../src/nn/conv/winogradPlan.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';

const size = fc.integer({ min: 3, max: 70 });
const channels = fc.constantFrom(16, 64, 512);

describe('tilings', () => {
  it('cover each output once, in bands of the stated tiles', () => {
    fc.assert(
      fc.property(size, size, channels, fc.constantFrom(1, 128), (height, width, count, least) => {
        const spec = conv2d(count, count, { kernel: 3, padding: 1 });
        const tiling = tilingOf([height, width], spec, least);
        const covered = new Uint8Array(height * width);
        for (const cut of tiling.cuts) {
          const { tailColumns, full, tailRows, corners } = cut;
          const tiles = tailColumns + full + tailRows + corners;
          expect(tiles * tiling.samplesOfBand).toBeLessThanOrEqual(tiling.tiles);
          let before = 0;
          for (const region of cut.regions) {
            expect(region.before).toBe(before);
            expect(region.tiles).toBe(region.rows * region.columns);
            before += region.tiles;
            const { top, left, rows, columns } = region;
            const bottom = Math.min(top + rows * (region.rowPoints - 2), height);
            const right = Math.min(left + columns * (region.columnPoints - 2), width);
            for (let y = top; y < bottom; y++) {
              for (let x = left; x < right; x++) covered[y * width + x]! += 1;
            }
          }
          expect(before).toBe(tiles);
        }
        expect(covered.every((times) => times === 1)).toBe(true);
      }),
    );
  });

  it('wastes no more than a row and a column of an image', () => {
    for (let pixels = 3; pixels < 40; pixels++) {
      const { cuts } = tilingOf([pixels, pixels], conv2d(16, 16, { kernel: 3 }));
      const [rows, columns] = [cuts.flatMap(({ regions }) => regions), cuts[0]!.regions] as const;
      const bottom = Math.max(...rows.map((r) => r.top + r.rows * (r.rowPoints - 2)));
      const right = Math.max(...columns.map((r) => r.left + r.columns * (r.columnPoints - 2)));
      expect(bottom - pixels).toBeLessThanOrEqual(1);
      expect(right - pixels).toBeLessThanOrEqual(1);
    }
  });

  it('cuts large images by rows, and takes several small ones at once', () => {
    const spec = conv2d(64, 64, { kernel: 3, padding: 1 });
    const large = tilingOf([56, 56], spec);
    expect(large.cuts.length).toBeGreaterThan(1);
    expect(large.samplesOfBand).toBe(1);
    const small = tilingOf([8, 8], spec);
    expect(small.cuts).toHaveLength(1);
    expect(small.samplesOfBand).toBe(8);
    expect(tilingOf([8, 8], spec, 128).samplesOfBand).toBe(32);
  });
});
