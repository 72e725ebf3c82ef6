import { describe, expect, expectTypeOf, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { createArena, viewOf } from '../../src/memory/arena.ts';
import { Layout, LayoutBuilder } from '../../src/memory/layout.ts';

const PAGE_BYTES = 65536;

describe('an arena', () => {
  const builder = new LayoutBuilder();
  const bytes = builder.add({ name: 'bytes', type: 'u8', shape: [5], writer: 'main' });
  const ints = builder.add({ name: 'ints', type: 'i32', shape: [2, 3], writer: 'main' });
  const floats = builder.add({ name: 'floats', type: 'f32', shape: [7], writer: 'main' });
  const doubles = builder.add({
    name: 'doubles',
    type: 'f64',
    shape: [PAGE_BYTES / 8],
    writer: 'main',
  });
  const layout = builder.freeze();
  const memory = createArena(layout);

  it('is shared memory of whole pages, filled with zeros', () => {
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(memory.buffer.byteLength).toBe(Math.ceil(layout.sizeBytes / PAGE_BYTES) * PAGE_BYTES);
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
  });

  it('never grows', () => {
    expect(() => memory.grow(1)).toThrow(RangeError);
  });

  it('shows each region as an array of its type and length', () => {
    const views = [bytes, ints, floats, doubles].map((region) => viewOf(memory, region));
    const names = views.map((view) => view.constructor.name);
    expect(names).toEqual(['Uint8Array', 'Int32Array', 'Float32Array', 'Float64Array']);
    expect(views.map(({ length }) => length)).toEqual([5, 6, 7, PAGE_BYTES / 8]);
    viewOf(memory, floats).fill(1.5);
    viewOf(memory, ints).fill(-1);
    expect([...viewOf(memory, floats)]).toEqual(new Array(7).fill(1.5));
    expect([...viewOf(memory, bytes)]).toEqual(new Array(5).fill(0));
    expectTypeOf(viewOf(memory, doubles)).toEqualTypeOf<Float64Array<SharedArrayBuffer>>();
  });

  it('that cannot be reserved suggests a smaller batch', () => {
    expect(() => createArena(new Layout(new Map(), 2 ** 40))).toThrow(UsageError);
  });
});
