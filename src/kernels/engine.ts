// The features of the engine and the processor that kernels can use, and the V8 flags that enable
// them. No native code is needed: a module with one function tests for them.

import { setFlagsFromString } from 'node:v8';

/** The environment variable that disables the wide build if it is 0. */
export const WIDE_VARIABLE = 'SYNCBN_WIDE';

/** `f(a, b, c)` = a b + c of float32, by `f32x4.relaxed_madd` (0xfd 0x85 0x02). */
const MULTIPLY_ADD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 125, 125, 125, 1, 125, 3, 2, 1, 0, 7, 5, 1, 1, 102,
  0, 0, 10, 22, 1, 20, 0, 32, 0, 253, 19, 32, 1, 253, 19, 32, 2, 253, 19, 253, 133, 2, 253, 31, 0,
  11,
]);

/** The first version of Node with a V8 that revectorizes. Node 22 accepts the flag but ignores
 * it. */
const FIRST_NODE = 24;

/** Whether this engine runs relaxed SIMD; on Node 20 it is enabled first. Must be called on the
 * main thread before any WASM is compiled, which is when V8 reads the flag. */
export function hasRelaxedSimd(): boolean {
  if (WebAssembly.validate(MULTIPLY_ADD)) return true;
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(MULTIPLY_ADD);
}

/** Whether the processor computes a b + c with one rounding; needs relaxed SIMD. */
export function fusesMultiplyAdd(): boolean {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(MULTIPLY_ADD));
  const madd = exports.f as (a: number, b: number, c: number) => number;
  const x = 1 + 2 ** -12;
  // x x = 1 + 2^-11 + 2^-24, and float32 cannot hold the last term.
  return madd(x, x, -(1 + 2 ** -11)) !== 0;
}

/** What V8 lacks to pack pairs of 128-bit vectors into 256 bits, or undefined if it lacks nothing.
 * It packs on x64 with AVX2. JavaScript cannot detect AVX2, but it can detect fused multiply-add:
 * every x64 processor with AVX2 has it, and only AMD's Piledriver and Steamroller (2012 to 2014)
 * have it without AVX2. There, kernels for packed vectors are slow but correct. */
export function lacksForRevectorizing(): string | undefined {
  const { versions, arch, config } = process;
  if (Number.parseInt(versions.node, 10) < FIRST_NODE) {
    return `Node ${FIRST_NODE} or later packs vectors, this is ${versions.node}`;
  }
  if (arch !== 'x64') return `x64 processors pack vectors, this is ${arch}`;
  const variables = config.variables as Readonly<Record<string, unknown>>;
  if (!Number(variables.v8_enable_wasm_simd256_revec)) {
    return 'this Node was built without support for packing vectors';
  }
  if (!fusesMultiplyAdd()) return 'the processor has no fused multiply-add, so no AVX2';
  return undefined;
}

let isRevectorizing = false;

/** Turns packing on or off for all WASM that V8 optimizes from now on, in all threads, even if it
 * is already compiled: V8 reads the flag when it optimizes a function. */
export function revectorize(isOn: boolean): void {
  // Engines that do not know the flag would complain on stderr.
  if (isOn === isRevectorizing) return;
  isRevectorizing = isOn;
  setFlagsFromString(`--${isOn ? '' : 'no-'}experimental-wasm-revectorize`);
}

/** V8's defaults (in Node 24 and 26), in the form of command-line flags. */
const TIER_DEFAULTS = ['--no-wasm-sync-tier-up', '--wasm-tiering-budget=13000000'];

/** Calls `work`. For modules compiled in it, V8 optimizes a function by its second or third call,
 * before that call returns. (With --no-liftoff it would do so immediately, but changing that flag
 * at run time crashes Node 26.) */
export function optimizingAtOnce<T>(work: () => T): T {
  setFlagsFromString('--wasm-sync-tier-up');
  setFlagsFromString('--wasm-tiering-budget=1');
  try {
    return work();
  } finally {
    const given = process.execArgv.filter((flag) => /^--(no-)?wasm-/.test(flag));
    for (const flag of [...TIER_DEFAULTS, ...given]) setFlagsFromString(flag);
  }
}
