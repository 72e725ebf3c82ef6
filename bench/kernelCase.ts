// The parts of a kernel benchmark, and what its cases share: separate memory, data, and the
// comparison with the plain twins before any timing.

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
  /** Floating-point operations, or bytes read and written, per run. */
  readonly work: number;
  run(): void;
  /** Throws if the kernel differs from its plain twin. */
  check(): void;
  /** What it is compared with, on the same memory, and its work. */
  readonly peakWork: number;
  peak(): void;
  /** The same with 128-bit operations only; absent if their width does not matter. */
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

/** Places the zero-filled regions, and binds the kernels to them. */
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

/** Uniform in [-1, 1); `stream` distinguishes arrays. */
export function fillRandom(values: Float32Array, stream: number): void {
  const random = new RandomStream().reset(1, Purpose.synthetic, stream, 0);
  for (let i = 0; i < values.length; i++) values[i] = 2 * random.nextUniform() - 1;
}

/** Float32 sums of a few thousand products are well within this; a wrong index is not. */
const TOLERANCE = 1e-4;

/** Throws unless the values equal the exact ones up to float32 rounding. */
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
