// What a kernel benchmark consists of, and what its cases share: memory of their own, data, and the
// comparison with the plain twins that comes before any timing.

import { InvariantError } from '../src/base/errors.ts';
import { Purpose, RandomStream } from '../src/base/random.ts';
import { instantiateKernels } from '../src/kernels/binaries.ts';
import type { KernelExports } from '../src/kernels/exports.ts';
import { createArena, viewOf } from '../src/memory/arena.ts';
import {
  type ElementType,
  LayoutBuilder,
  type Region,
  type RegionRequest,
} from '../src/memory/layout.ts';
import { instantiatePeak, type PeakKernels } from './peak.ts';

/** One kernel on one shape. */
export interface KernelCase {
  readonly kernel: string;
  readonly shape: string;
  readonly unit: 'GFLOP/s' | 'GB/s';
  /** Floating-point operations, or bytes read and written, of one run. */
  readonly work: number;
  run(): void;
  /** Throws where the kernel differs from its plain twin. */
  check(): void;
  /** What it is measured against, on the same memory, and its work. */
  readonly peakWork: number;
  peak(): void;
  /** The same with operations of 128 bits alone; absent where their width does not matter. */
  readonly narrow?: { readonly work: number; peak(): void };
}

export interface CompiledModules {
  readonly kernels: WebAssembly.Module;
  readonly peak: WebAssembly.Module;
}

/** Memory of one case. */
export interface Bench {
  readonly kernels: KernelExports;
  readonly peak: PeakKernels;
  readonly memory: WebAssembly.Memory;
  ptr(name: string): number;
  floats(name: string): Float32Array;
  doubles(name: string): Float64Array;
}

/** Places the regions, zero-filled, and binds the kernels to them. */
export function createBench(
  modules: CompiledModules,
  requests: readonly Omit<RegionRequest<ElementType>, 'writer'>[],
): Bench {
  const builder = new LayoutBuilder();
  const regions = new Map<string, Region>();
  for (const request of requests) {
    regions.set(request.name, builder.add({ ...request, writer: 'main' }));
  }
  const layout = builder.freeze();
  const memory = createArena(layout);
  return {
    kernels: instantiateKernels(modules.kernels, memory),
    peak: instantiatePeak(modules.peak, memory),
    memory,
    ptr: (name) => regions.get(name)!.offsetBytes,
    floats: (name) => viewOf(memory, regions.get(name) as Region<'f32'>),
    doubles: (name) => viewOf(memory, regions.get(name) as Region<'f64'>),
  };
}

/** Uniform in [-1, 1); `stream` tells arrays apart. */
export function fillRandom(values: Float32Array, stream: number): void {
  const random = new RandomStream().reset(1, Purpose.synthetic, stream, 0);
  for (let i = 0; i < values.length; i++) values[i] = 2 * random.nextUniform() - 1;
}

/** Float32 sums of some thousand products stay well within; a wrong index does not. */
const TOLERANCE = 1e-4;

/** Throws unless the found values are the exact ones but for float32 rounding. */
export function checkNear(what: string, found: ArrayLike<number>, exact: ArrayLike<number>): void {
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < exact.length; i++) {
    const difference = Math.abs(found[i]! - exact[i]!);
    // NaN stays, and fails the comparison below.
    worst = Math.max(worst, difference);
    scale = Math.max(scale, Math.abs(exact[i]!));
  }
  if (worst <= TOLERANCE * scale) return;
  throw new InvariantError(what, `a difference of ${worst}`, `at most ${TOLERANCE * scale}`);
}
