import { describe, expect, it } from 'vitest';
import { alignUp } from '../../src/base/bytes.ts';
import { InvariantError, UsageError } from '../../src/base/errors.ts';
import {
  BYTES_PER_ELEMENT,
  type ElementType,
  LayoutBuilder,
  MAX_ARENA_BYTES,
  showBytes,
} from '../../src/memory/layout.ts';

const TYPES: readonly ElementType[] = ['u8', 'i32', 'f32', 'f64'];
const CACHE_LINE_PAIR_BYTES = 128;

describe('a layout', () => {
  it('keeps regions apart, on separate cache lines, with slack after each', () => {
    const builder = new LayoutBuilder();
    for (let i = 0; i < 40; i++) {
      builder.add({ name: `r${i}`, type: TYPES[i % 4]!, shape: [i * 7, 3], writer: 'main' });
    }
    const layout = builder.freeze();
    expect(layout.regions.length).toBe(40);
    let endBytes = 1;
    for (const region of layout.regions) {
      const { type, shape, sizeBytes, offsetBytes } = region;
      expect(sizeBytes).toBe(shape[0]! * 3 * BYTES_PER_ELEMENT[type]);
      expect(offsetBytes % CACHE_LINE_PAIR_BYTES).toBe(0);
      expect(offsetBytes).toBeGreaterThanOrEqual(endBytes);
      endBytes = offsetBytes + sizeBytes + CACHE_LINE_PAIR_BYTES;
      expect(layout.get(region.name)).toBe(region);
    }
    expect(layout.sizeBytes).toBeGreaterThanOrEqual(endBytes);
  });

  it('knows its largest regions', () => {
    const builder = new LayoutBuilder();
    for (const size of [3, 9, 5]) {
      builder.add({ name: `r${size}`, type: 'f32', shape: [size], writer: 'main' });
    }
    expect(
      builder
        .freeze()
        .largest(2)
        .map(({ name }) => name),
    ).toEqual(['r9', 'r5']);
  });

  it('refuses duplicate names, regions after the freeze, and unplanned names', () => {
    const builder = new LayoutBuilder();
    const region = { name: 'a', type: 'f32', shape: [1], writer: 'main' } as const;
    builder.add(region);
    expect(() => builder.add(region)).toThrow(InvariantError);
    const layout = builder.freeze();
    expect(() => builder.add({ ...region, name: 'b' })).toThrow(InvariantError);
    expect(() => layout.get('b')).toThrow(InvariantError);
  });

  it('that does not fit into 4 GB names the largest regions', () => {
    const builder = new LayoutBuilder();
    const sizes = { small: 10, huge: MAX_ARENA_BYTES / 4, large: 1e6 };
    for (const [name, size] of Object.entries(sizes)) {
      builder.add({ name, type: 'f32', shape: [size], writer: 'main' });
    }
    expect(() => builder.freeze()).toThrow(UsageError);
    expect(() => builder.freeze()).toThrow(/huge .* 4\.29 GB; large 1000000 4\.0 MB; small/);
  });
});

describe('sizes', () => {
  it('are shown in powers of 1000', () => {
    expect([0, 999, 1000, 12_345_678, 4.2e9].map(showBytes)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '12.3 MB',
      '4.20 GB',
    ]);
  });

  it('are rounded up to a multiple', () => {
    expect([0, 1, 127, 128, 129].map((n) => alignUp(n, 128))).toEqual([0, 128, 128, 128, 256]);
  });
});
