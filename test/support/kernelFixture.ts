// What kernel tests stand on: kernels of any build bound to a memory of their own, and a way to
// place typed arrays in it. Compiles the kernels first when a source is newer than dist/kernels, so
// a test never runs old code. Regions have slack behind them, as in the arena, filled with NaN to
// catch sums over it. Whatever a test calls of the wide build is compared with the fast one.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { compileBinary, instantiateKernels } from '../../src/kernels/binaries.ts';
import type { KernelBuild, NumericMode } from '../../src/kernels/builds.ts';
import { hasRelaxedSimd } from '../../src/kernels/engine.ts';
import type { KernelExports } from '../../src/kernels/exports.ts';
import { comparedKernels } from './comparedKernels.ts';

/** Both modes where this engine has relaxed SIMD, for `describe.each(MODES)`. */
export const MODES: readonly NumericMode[] = hasRelaxedSimd() ? ['strict', 'fast'] : ['strict'];
/** All builds that this engine runs; vectors need not be packed to run the wide one. */
export const BUILDS: readonly KernelBuild[] = hasRelaxedSimd() ? [...MODES, 'wide'] : MODES;

const SOURCES = 'src/kernels/assembly';
const BUILD_SCRIPT = 'scripts/build-kernels.mjs';
const FILES = ['strict', 'fast', 'wide', 'collectives'];
const BINARIES = FILES.map((name) => `dist/kernels/${name}.wasm`);
const PAGE_BYTES = 65536;
const DEFAULT_PAGES = 256;
/** As in memory/layout.ts: regions begin at multiples of this and have as much slack behind
 * them. */
const ALIGN_BYTES = 128;
const FIRST_PTR = 1024;

type Values = Float32Array | Float64Array | Int32Array | Uint8Array;

export interface KernelFixture {
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
  /** Copies the values to a region of their own and returns its address. */
  place(values: Values): number;
  /** A region of `length` elements, filled with NaN (255 in bytes), so that what a kernel does not
   * write is seen. 4 bytes an element unless told. */
  reserve(length: number, bytesPerElement?: number): number;
  /** Views of the memory, valid until {@link reset}. */
  f32(ptr: number, length: number): Float32Array;
  f64(ptr: number, length: number): Float64Array;
  i32(ptr: number, length: number): Int32Array;
  u8(ptr: number, length: number): Uint8Array;
  /** Forgets all regions; their memory is used again. */
  reset(): void;
}

/** Kernels of a build with `pages` pages of 64 KB (16 MB unless told). */
export function createFixture(build: KernelBuild, pages = DEFAULT_PAGES): KernelFixture {
  buildIfStale();
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const buffer = memory.buffer;
  const bytes = new Uint8Array(buffer);
  let endPtr = FIRST_PTR;

  const take = (sizeBytes: number): number => {
    const ptr = endPtr;
    endPtr = Math.ceil((ptr + sizeBytes + ALIGN_BYTES) / ALIGN_BYTES) * ALIGN_BYTES;
    if (endPtr > pages * PAGE_BYTES) throw new Error(`The fixture's ${pages} pages are full.`);
    bytes.fill(255, ptr, endPtr);
    return ptr;
  };
  const kernels =
    build === 'wide'
      ? comparedKernels(memory, () => endPtr)
      : instantiateKernels(compileBinary(build), memory);
  return {
    kernels,
    memory,
    place(values) {
      const ptr = take(values.byteLength);
      bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), ptr);
      return ptr;
    },
    reserve: (length, bytesPerElement = 4) => take(length * bytesPerElement),
    f32: (ptr, length) => new Float32Array(buffer, ptr, length),
    f64: (ptr, length) => new Float64Array(buffer, ptr, length),
    i32: (ptr, length) => new Int32Array(buffer, ptr, length),
    u8: (ptr, length) => new Uint8Array(buffer, ptr, length),
    reset() {
      endPtr = FIRST_PTR;
    },
  };
}

/** Runs the build when a binary is missing or older than a source. */
function buildIfStale(): void {
  const sources = readdirSync(SOURCES).map((file) => `${SOURCES}/${file}`);
  const newest = Math.max(...[BUILD_SCRIPT, ...sources].map((file) => statSync(file).mtimeMs));
  const fresh = BINARIES.every((file) => existsSync(file) && statSync(file).mtimeMs >= newest);
  if (!fresh) execFileSync(process.execPath, [BUILD_SCRIPT], { stdio: 'inherit' });
}

/** How far apart two float32 numbers are, in units of the last place of `scale` (default: the
 * larger of the two); 0 when both are NaN. */
export function ulps32(a: number, b: number, scale = Math.max(Math.abs(a), Math.abs(b))): number {
  if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
  const exponent = Math.max(Math.floor(Math.log2(scale)), -126);
  return Math.abs(a - b) / 2 ** (exponent - 23);
}

/** `length` numbers in [-range, range) that look random and are the same in every run. */
export function testValues(length: number, range = 4, seed = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * range;
  });
}
