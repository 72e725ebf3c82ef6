// Finds, compiles and instantiates the kernels. `fast` uses relaxed-SIMD fused multiply-add where
// the engine has it; `strict` uses plain SIMD128 only, so that the bits are the same on every
// machine. The collectives' kernels are a module of their own, for groups that train nothing.

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { UsageError } from '../base/errors.ts';
import { ownFile } from '../base/ownFile.ts';
import type { CollectiveKernels } from './abi/collectives.ts';
import type { KernelExports } from './exports.ts';

export type NumericMode = 'fast' | 'strict';

/** A module of one function that uses `f32x4.relaxed_madd` (0xfd 0x85 0x02). */
const RELAXED_SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0,
  32, 0, 32, 1, 32, 2, 253, 133, 2, 11,
]);

/** Whether this engine runs relaxed SIMD; on Node 20 it is switched on first. Must be called on the
 * main thread before any WASM is compiled, since V8 reads the flag then. */
export function hasRelaxedSimd(): boolean {
  if (WebAssembly.validate(RELAXED_SIMD_PROBE)) return true;
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(RELAXED_SIMD_PROBE);
}

/** Compiles the kernels of a mode once; the module is then posted to the workers. */
export function compileKernels(mode: NumericMode): WebAssembly.Module {
  return compile(buildOf(mode));
}

/** The build of the kernels that a mode runs on this engine. */
export function buildOf(mode: NumericMode): 'fast' | 'strict' {
  return mode === 'fast' && hasRelaxedSimd() ? 'fast' : 'strict';
}

/** Binds compiled kernels to an arena. */
export function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): KernelExports {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as KernelExports;
}

/** Compiles the kernels of the collectives once; the module is then posted to the threads. They
 * use plain SIMD128 only. */
export function compileCollectiveKernels(): WebAssembly.Module {
  return compile('collectives');
}

/** Binds compiled kernels of the collectives to a shared memory. */
export function instantiateCollectiveKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): CollectiveKernels {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as CollectiveKernels;
}

function compile(file: string): WebAssembly.Module {
  return compileFile(ownFile(`#kernels/${file}.wasm`));
}

/** The code of a built module. */
export function kernelBytes(file: string): Uint8Array {
  return readFileSync(ownFile(`#kernels/${file}.wasm`));
}

/** Compiles a file of kernels, or says what is to be done when that fails. */
export function compileFile(path: string): WebAssembly.Module {
  try {
    return new WebAssembly.Module(readFileSync(path));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint = HINTS[code ?? ''] ?? 'installing syncbn again';
    const details = { what: 'the kernels', given: message, allowed: `a readable ${path}`, hint };
    throw Object.assign(new UsageError(details), { cause: error });
  }
}

/** What to do about errors of the system. */
const HINTS: Readonly<Record<string, string>> = {
  EMFILE: 'closing files, or a higher limit of open files (ulimit -n)',
  ENFILE: 'closing files: the whole system has too many open',
  EACCES: 'permission to read that file',
  ENOENT: 'installing syncbn again, or npm run build in its repository',
};
