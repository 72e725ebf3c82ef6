// The peak speed of this core from WASM: multiply-adds on registers only, and plain loops that
// stream through arrays. Compiled when the benchmark starts; not part of the library's kernels.
// Engines that pack pairs of vectors pack those that are stored next to each other: all loops
// except `fmaRegisters`, which therefore gives the 128-bit peak everywhere.

import { assemble } from './assemble.ts';

/** Streams take whole blocks of {@link STREAM_BLOCK_BYTES}. */
export interface PeakKernels {
  /** A multiply-add on each of 12 registers of 4 lanes, `turns` times; returns one lane's sum. */
  fmaRegisters(turns: number, a: number, b: number): number;
  /** The same on {@link PACKED_REGISTERS} registers in pairs, which are at `toPtr` before and
   * after. */
  fmaPairs(turns: number, a: number, b: number, toPtr: number): void;
  /** Reads one array, and writes {@link SUM_BYTES} of sums to `toPtr`. */
  read(aPtr: number, sizeBytes: number, toPtr: number): void;
  /** Reads two arrays, and writes sums in the same way. */
  readTwo(aPtr: number, bPtr: number, sizeBytes: number, toPtr: number): void;
  /** Reads one array and writes another. */
  copy(aPtr: number, toPtr: number, sizeBytes: number): void;
  /** Reads two arrays and writes a third. */
  add(aPtr: number, bPtr: number, toPtr: number, sizeBytes: number): void;
}

export const STREAM_BLOCK_BYTES = 64;

/** 12 registers hide the latency of 4 cycles at 2 per cycle, and leave room for both factors. */
const REGISTERS = 12;
const LANES = 4;
/** Floating-point operations of one turn of `fmaRegisters`. */
export const FLOP_PER_TURN = REGISTERS * LANES * 2;

/** Eight pairs hide the same latency. */
const PACKED_REGISTERS = 16;
/** Floating-point operations of one turn of `fmaPairs`. */
export const FLOP_PER_PACKED_TURN = PACKED_REGISTERS * LANES * 2;
/** Room for the results of the loops. */
export const SUM_BYTES = PACKED_REGISTERS * 16;

const registers = Array.from({ length: REGISTERS }, (_, i) => `c${i}`);
const packed = Array.from({ length: PACKED_REGISTERS }, (_, i) => `c${i}`);
const vectors = [0, 16, 32, 48];
const zeros = vectors.map((_, i) => `let c${i} = f32x4.splat(0);`).join(' ');
const storeSums = vectors.map((at, i) => `v128.store(to, c${i}, ${at});`).join(' ');

const SOURCE = `
@inline function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}
@inline function next(c: v128, x: v128, y: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(x, y, c);
  // Without fusing, x * y would leave the loop.
  return f32x4.add(f32x4.mul(c, x), y);
}
export function fmaRegisters(turns: i32, a: f32, b: f32): f32 {
  const x = f32x4.splat(a), y = f32x4.splat(b);
  ${registers.map((c, i) => `let ${c} = f32x4.splat(${i});`).join(' ')}
  for (let i = 0; i < turns; i++) {
    ${registers.map((c) => `${c} = next(${c}, x, y);`).join(' ')}
  }
  return f32x4.extract_lane(${registers.reduce((sum, c) => `f32x4.add(${sum}, ${c})`)}, 0);
}
export function fmaPairs(turns: i32, a: f32, b: f32, to: usize): void {
  const x = f32x4.splat(a), y = f32x4.splat(b);
  ${packed.map((c, i) => `let ${c} = v128.load(to, ${16 * i});`).join(' ')}
  for (let i = 0; i < turns; i++) {
    ${packed.map((c) => `${c} = next(${c}, x, y);`).join(' ')}
  }
  ${packed.map((c, i) => `v128.store(to, ${c}, ${16 * i});`).join(' ')}
}
export function read(a: usize, size: usize, to: usize): void {
  ${zeros}
  for (const end = a + size; a != end; a += ${STREAM_BLOCK_BYTES}) {
    ${vectors.map((at, i) => `c${i} = f32x4.add(c${i}, v128.load(a, ${at}));`).join(' ')}
  }
  ${storeSums}
}
export function readTwo(a: usize, b: usize, size: usize, to: usize): void {
  ${zeros}
  for (const end = a + size; a != end; a += ${STREAM_BLOCK_BYTES}, b += ${STREAM_BLOCK_BYTES}) {
    ${vectors
      .map((at, i) => `c${i} = madd(v128.load(a, ${at}), v128.load(b, ${at}), c${i});`)
      .join(' ')}
  }
  ${storeSums}
}
export function copy(a: usize, to: usize, size: usize): void {
  for (const end = a + size; a != end; a += ${STREAM_BLOCK_BYTES}, to += ${STREAM_BLOCK_BYTES}) {
    ${vectors.map((at) => `v128.store(to, v128.load(a, ${at}), ${at});`).join(' ')}
  }
}
export function add(a: usize, b: usize, to: usize, size: usize): void {
  for (const end = a + size; a != end; a += ${STREAM_BLOCK_BYTES}, b += ${STREAM_BLOCK_BYTES}) {
    ${vectors
      .map((at) => `v128.store(to, f32x4.add(v128.load(a, ${at}), v128.load(b, ${at})), ${at});`)
      .join(' ')}
    to += ${STREAM_BLOCK_BYTES};
  }
}
`;

/** Compiles the kernels, with fused multiply-add if the engine supports it. */
export function compilePeak(): WebAssembly.Module {
  return assemble(SOURCE);
}

/** Binds them to the memory of the case that they are compared with. */
export function instantiatePeak(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): PeakKernels {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports as unknown as PeakKernels;
}
