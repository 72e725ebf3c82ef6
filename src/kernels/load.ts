// Compiles the kernels of a run on the main thread, once; the module is then posted to the workers.
// `fast` numbers use relaxed-SIMD fused multiply-add where the engine has it; `strict` ones plain
// SIMD128 only, so that the bits are the same on every machine. The collectives' kernels are a
// module of their own, for groups that train nothing.

import type { CollectiveKernels } from './abi/collectives.ts';
import { compileBinary } from './binaries.ts';
import { buildOf, type NumericMode } from './builds.ts';
import { revectorize } from './engine.ts';

/** Compiles the kernels that a mode runs on this engine. V8's flag is one for the whole process:
 * what is compiled last decides for code that V8 optimizes from then on. */
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
