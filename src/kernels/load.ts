// Compiles the kernels of a run on the main thread, once; the module is then posted to the workers.
// Mode `fast` uses relaxed-SIMD fused multiply-add if the engine has it; `strict` only uses plain
// SIMD128, so the bits are the same on every machine. The kernels of the collectives are a separate
// module, for groups that do not train.

import type { CollectiveKernels } from './abi/collectives.ts';
import { compileBinary } from './binaries.ts';
import { buildOf, type NumericMode } from './builds.ts';
import { revectorize } from './engine.ts';

/** Compiles the kernels that a mode uses on this engine. V8's flag applies to the whole process:
 * the last call decides for all code that V8 optimizes afterward. */
export function compileKernels(mode: NumericMode): WebAssembly.Module {
  const build = buildOf(mode);
  revectorize(build === 'wide');
  return compileBinary(build);
}

/** Compiles the kernels of the collectives. They use plain SIMD128 only. */
export function compileCollectiveKernels(): WebAssembly.Module {
  return compileBinary('collectives');
}

/** Binds compiled kernels of the collectives to a shared memory. */
export function instantiateCollectiveKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): CollectiveKernels {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as CollectiveKernels;
}
