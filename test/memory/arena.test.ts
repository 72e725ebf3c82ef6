import { describe, expect, it } from 'vitest';
import { InvariantError, UsageError } from '../../src/base/errors.ts';
import { createArena, typedView, viewOf } from '../../src/memory/arena.ts';
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
    const views = [bytes, ints, floats, doubles].map((region) => viewOf(memory, region as never));
    const names = views.map((view) => (view as Float32Array).constructor.name);
    expect(names).toEqual(['Uint8Array', 'Int32Array', 'Float32Array', 'Float64Array']);
    expect(views.map((view) => (view as Float32Array).length)).toEqual([5, 6, 7, PAGE_BYTES / 8]);
    typedView(memory, floats, 'f32').fill(1.5);
    typedView(memory, ints, 'i32').fill(-1);
    expect([...typedView(memory, floats, 'f32')]).toEqual(new Array(7).fill(1.5));
    expect([...typedView(memory, bytes, 'u8')]).toEqual(new Array(5).fill(0));
  });

  it('refuses a view of another type', () => {
    expect(() => typedView(memory, floats, 'f64')).toThrow(InvariantError);
  });

  it('that cannot be reserved asks for a smaller batch', () => {
    expect(() => createArena(new Layout(new Map(), 2 ** 40))).toThrow(UsageError);
  });
});
