// The plan of the arena: every region has a name, a type, a shape and exactly one writer, and is
// placed before the run starts. Planning does not allocate, so the size is known before the memory
// is requested.

import { ALIGN_BYTES, alignUp } from '../base/bytes.ts';
import { InvariantError, UsageError } from '../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../base/shape.ts';

/** Types of elements in the arena: bytes, 32-bit whole numbers, 32-bit and 64-bit floats. */
export type ElementType = 'u8' | 'i32' | 'f32' | 'f64';

export const BYTES_PER_ELEMENT: Readonly<Record<ElementType, number>> = {
  u8: 1,
  i32: 4,
  f32: 4,
  f64: 8,
};

/** A named, fixed range of the shared memory with exactly one writer at a time. */
export interface Region<Type extends ElementType = ElementType> {
  /** Unique in the layout, such as `parameters`. */
  readonly name: string;
  /** The type of its elements. */
  readonly type: Type;
  /** Its shape in elements; the last axis varies fastest. */
  readonly shape: Shape;
  /** The writer: `main`, `rank 3`, or a rule such as `owner of the block`. */
  readonly writer: string;
  /** Its offset from the start of the arena. */
  readonly offsetBytes: number;
  /** Its size, without padding. */
  readonly sizeBytes: number;
}

export type RegionRequest<Type extends ElementType> = Omit<
  Region<Type>,
  'offsetBytes' | 'sizeBytes'
>;

/** WASM32 addresses end here. */
export const MAX_ARENA_BYTES = 2 ** 32 - 65536;
const LARGEST_SHOWN = 5;

/** The first bytes stay unused, so that address 0 can mean "none". */
const FIRST_OFFSET_BYTES = 1024;

/** Collects regions, then freezes into a {@link Layout}. */
export class LayoutBuilder {
  private readonly regions = new Map<string, Region>();
  private endBytes = FIRST_OFFSET_BYTES;
  private frozen = false;

  /** Places a region after the others and returns it. */
  add<const Type extends ElementType>(request: RegionRequest<Type>): Region<Type> {
    if (this.frozen)
      throw new InvariantError(`region ${request.name} after the freeze`, 'add', 'none');
    if (this.regions.has(request.name)) {
      throw new InvariantError('regions of one name', request.name, 'distinct names');
    }
    const sizeBytes = elementsBytes(request);
    const region: Region<Type> = { ...request, offsetBytes: this.endBytes, sizeBytes };
    this.regions.set(region.name, region);
    this.endBytes = alignUp(this.endBytes + sizeBytes + ALIGN_BYTES, ALIGN_BYTES);
    return region;
  }

  /** The size of the regions so far. */
  get sizeBytes(): number {
    return this.endBytes;
  }

  /** Ends planning. Throws a {@link UsageError} that names the largest regions if the arena does
   * not fit into WASM's address space, unless `mustFit` is false. */
  freeze(mustFit = true): Layout {
    this.frozen = true;
    const layout = new Layout(this.regions, this.endBytes);
    if (mustFit && this.endBytes > MAX_ARENA_BYTES) throw tooLarge(layout);
    return layout;
  }
}

/** The error of a layout that does not fit into WASM's address space. */
export function tooLarge(
  layout: Layout,
  hint = 'a smaller batch, fewer training samples or a smaller model',
): UsageError {
  const largest = layout
    .largest(LARGEST_SHOWN)
    .map(({ name, shape, sizeBytes }) => `${name} ${showShape(shape)} ${showBytes(sizeBytes)}`);
  return new UsageError({
    what: `the memory of this run (largest regions: ${largest.join('; ')})`,
    given: showBytes(layout.sizeBytes),
    allowed: `at most ${showBytes(MAX_ARENA_BYTES)}`,
    hint,
  });
}

/** The frozen table of regions. */
export class Layout {
  /** The size of the whole arena. */
  readonly sizeBytes: number;
  private readonly byName: ReadonlyMap<string, Region>;

  constructor(byName: ReadonlyMap<string, Region>, sizeBytes: number) {
    this.byName = byName;
    this.sizeBytes = sizeBytes;
  }

  /** All regions in address order. */
  get regions(): readonly Region[] {
    return [...this.byName.values()];
  }

  /** The region of this name; it is a bug to ask for one that was not planned. */
  get(name: string): Region {
    const region = this.byName.get(name);
    if (region === undefined) throw new InvariantError('region', name, 'a planned region');
    return region;
  }

  /** The largest regions first. */
  largest(count: number): readonly Region[] {
    return [...this.byName.values()].sort((a, b) => b.sizeBytes - a.sizeBytes).slice(0, count);
  }
}

/** The number of bytes in the elements of a region. */
export function elementsBytes({ shape, type }: Pick<Region, 'shape' | 'type'>): number {
  return sizeOf(shape) * BYTES_PER_ELEMENT[type];
}

/** Formats a size: `12.3 MB` (10^6 bytes). */
export function showBytes(bytes: number): string {
  if (bytes < 1e3) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
