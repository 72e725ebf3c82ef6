// The arena: the one shared WebAssembly.Memory of a run, and typed views of its regions. The main
// thread creates it with its final size, and workers attach to it. It never grows.

import { PAGE_BYTES } from '../base/bytes.ts';
import { UsageError } from '../base/errors.ts';
import { type ElementType, type Layout, type Region, showBytes } from './layout.ts';

/** The maximum that the kernels' memory import declares. */
const MAX_PAGES = 65536;

/** The typed array of a region with the given element type. */
export interface ViewOf {
  u8: Uint8Array<SharedArrayBuffer>;
  i32: Int32Array<SharedArrayBuffer>;
  f32: Float32Array<SharedArrayBuffer>;
  f64: Float64Array<SharedArrayBuffer>;
}

/** Creates the memory for a layout, zero-filled. */
export function createArena(layout: Pick<Layout, 'sizeBytes'>): WebAssembly.Memory {
  const pages = Math.ceil(layout.sizeBytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({
      initial: pages,
      maximum: Math.min(pages, MAX_PAGES),
      shared: true,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError({
      what: 'the memory of this run',
      given: showBytes(layout.sizeBytes),
      allowed: 'what the system can reserve for one process',
      hint: 'a smaller batch, or a machine with more memory',
    });
  }
}

/** A view of a whole region. */
export function viewOf<Type extends ElementType>(
  memory: WebAssembly.Memory,
  region: Region<Type>,
): ViewOf[Type];
export function viewOf(memory: WebAssembly.Memory, region: Region): ViewOf[ElementType] {
  const buffer = memory.buffer as unknown as SharedArrayBuffer;
  const { type, offsetBytes, sizeBytes } = region;
  if (type === 'u8') return new Uint8Array(buffer, offsetBytes, sizeBytes);
  if (type === 'i32') return new Int32Array(buffer, offsetBytes, sizeBytes / 4);
  if (type === 'f32') return new Float32Array(buffer, offsetBytes, sizeBytes / 4);
  return new Float64Array(buffer, offsetBytes, sizeBytes / 8);
}
