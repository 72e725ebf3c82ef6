// What the engine and the processor have that kernels can use, and the flags of V8 that switch it
// on. No native code: two modules of one function tell.

import { setFlagsFromString } from 'node:v8';

/** The environment variable that, set to 0, switches the wide build off. */
export const WIDE_VARIABLE = 'SYNCBN_WIDE';

/** `f(a, b, c)` = a b + c of float32, by `f32x4.relaxed_madd` (0xfd 0x85 0x02). */
const MULTIPLY_ADD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 125, 125, 125, 1, 125, 3, 2, 1, 0, 7, 5, 1, 1, 102,
  0, 0, 10, 22, 1, 20, 0, 32, 0, 253, 19, 32, 1, 253, 19, 32, 2, 253, 19, 253, 133, 2, 253, 31, 0,
  11,
]);

/** The first Node whose V8 revectorizes; Node 22 knows the flag, but does nothing. */
const FIRST_NODE = 24;

/** Whether this engine runs relaxed SIMD; on Node 20 it is switched on first. Must be called on the
 * main thread before any WASM is compiled, since V8 reads the flag then. */
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
  // x x = 1 + 2^-11 + 2^-24, of which float32 does not hold the last term.
  return madd(x, x, -(1 + 2 ** -11)) !== 0;
}

/** What V8 lacks to pack pairs of 128-bit vectors into 256 bits; undefined where it has all. It
 * packs on x64 with AVX2. Nothing that JavaScript can ask tells of AVX2, but of fused multiply-add:
 * every x64 processor with AVX2 has it, and of those that have it only AMD's Piledriver and
 * Steamroller (2012 to 2014) lack AVX2. There kernels for packed vectors are slow, not wrong. */
export function lacksForRevectorizing(): string | undefined {
  const { versions, arch, config } = process;
  if (Number.parseInt(versions.node, 10) < FIRST_NODE) {
    return `Node ${FIRST_NODE} or later packs vectors, this is ${versions.node}`;
  }
  if (arch !== 'x64') return `x64 processors pack vectors, this is ${arch}`;
  const variables = config.variables as Readonly<Record<string, unknown>>;
  if (!Number(variables.v8_enable_wasm_simd256_revec)) {
    return 'this Node was built without what packs vectors';
  }
  if (!fusesMultiplyAdd()) return 'the processor has no fused multiply-add, so no AVX2';
  return undefined;
}

let isRevectorizing = false;

/** From here on V8 packs vectors, or does not, in whatever WASM it optimizes, in all threads,
 * compiled before or not: it reads the flag when it optimizes a function. */
export function revectorize(isOn: boolean): void {
  // Engines that do not know the flag would say so on stderr.
  if (isOn === isRevectorizing) return;
  isRevectorizing = isOn;
  setFlagsFromString(`--${isOn ? '' : 'no-'}experimental-wasm-revectorize`);
}

/** What V8 sets by itself (in Node 24 and 26), as it stands on a command line. */
const TIER_DEFAULTS = ['--no-wasm-sync-tier-up', '--wasm-tiering-budget=13000000'];

/** Calls `work`, in which V8 optimizes a function of modules compiled there by its second or third
 * call, before that returns. (Without the first compiler, --no-liftoff, it would do so at once; but
 * switched at run time that crashes Node 26.) */
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
