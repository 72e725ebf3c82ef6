// Which build of the kernels a run uses. Mode `fast` has two builds with the same bits: `fast`, and
// `wide`, with tiles that pay off if V8 packs pairs of vectors. That feature of V8 is experimental,
// so before its first use the bits of the wide build are compared with those of `fast`.

import { UsageError } from '../base/errors.ts';
import { instantiateKernels, kernelBytes } from './binaries.ts';
import {
  hasRelaxedSimd,
  lacksForRevectorizing,
  optimizingAtOnce,
  revectorize,
  WIDE_VARIABLE,
} from './engine.ts';
import { CHECK_PAGES, differingKernel, type KernelOutput, outputsOf } from './sameBits.ts';

/** `fast` uses fused multiply-adds if the engine has them; `strict` gives the same bits on every
 * CPU and version of Node. */
export type NumericMode = 'fast' | 'strict';
export type KernelBuild = NumericMode | 'wide';

/** A build, and why it is not the wide one. */
export interface BuildChoice {
  readonly build: KernelBuild;
  /** Undefined if it is the wide one. */
  readonly whyNotWide: string | undefined;
  /** The kernel with different bits in the wide build, which means that V8 or the processor is
   * faulty. */
  readonly differing?: string;
}

const CALLS_TO_OPTIMIZE = 3;

/** Determined once, because it does not change during the life of the process. */
let engineChoice: BuildChoice | undefined;

/** The build that a mode uses in this process. */
export function buildOf(mode: NumericMode): KernelBuild {
  return chooseBuild(mode).build;
}

/** The same, with its reason. Must be called on the main thread before any WASM is compiled. */
export function chooseBuild(mode: NumericMode): BuildChoice {
  const isOff = isSwitchedOff();
  if (mode === 'strict') return { build: 'strict', whyNotWide: 'strict mode never uses it' };
  if (!hasRelaxedSimd()) {
    return { build: 'strict', whyNotWide: 'the engine has no relaxed SIMD' };
  }
  if (isOff) return { build: 'fast', whyNotWide: `${WIDE_VARIABLE}=0 or --no-wide` };
  engineChoice ??= chooseByEngine();
  return engineChoice;
}

function isSwitchedOff(): boolean {
  const given = process.env[WIDE_VARIABLE] ?? '';
  if (['', '0', '1'].includes(given)) return given === '0';
  throw new UsageError({
    what: WIDE_VARIABLE,
    given,
    allowed: '0 (do not use the wide kernels) or 1 (use them where the engine packs vectors)',
  });
}

function chooseByEngine(): BuildChoice {
  const lacking = lacksForRevectorizing();
  if (lacking !== undefined) return { build: 'fast', whyNotWide: lacking };
  const memory = new WebAssembly.Memory({
    initial: CHECK_PAGES,
    maximum: CHECK_PAGES,
    shared: true,
  });
  const outputs = (module: WebAssembly.Module, calls: number): readonly KernelOutput[] =>
    outputsOf(instantiateKernels(module, memory), memory, calls);
  const plain = outputs(compileApart('fast'), 1);
  revectorize(true);
  const packed = optimizingAtOnce(() => outputs(compileApart('wide'), CALLS_TO_OPTIMIZE));
  const differing = differingKernel(plain, packed);
  if (differing === undefined) return { build: 'wide', whyNotWide: undefined };
  revectorize(false);
  const whyNotWide = `packed vectors gave different bits in ${differing}`;
  return { build: 'fast', whyNotWide, differing };
}

/** Compiles a module only for the check. V8 shares the code of modules with the same bytes, and
 * code is optimized here before V8 knows how often it is called. A custom section with a
 * one-letter name makes the bytes different. */
function compileApart(build: 'fast' | 'wide'): WebAssembly.Module {
  const section = [0, 2, 1, build.charCodeAt(0)];
  return new WebAssembly.Module(Buffer.concat([kernelBytes(build), Buffer.from(section)]));
}
