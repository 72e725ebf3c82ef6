// The kernels of the wide build, each call of which is repeated by the fast build on a copy of the
// memory: they must leave the same bits everywhere. So every test of a kernel compares the two, in
// all shapes that it runs.

import { compileBinary, instantiateKernels } from '../../src/kernels/binaries.ts';
import type { KernelExports } from '../../src/kernels/exports.ts';

type Kernel = (...args: number[]) => number | undefined;

/** Kernels bound to a memory, of which the first `usedBytes()` are compared. */
export function comparedKernels(
  memory: WebAssembly.Memory,
  usedBytes: () => number,
): KernelExports {
  const pages = memory.buffer.byteLength / 65_536;
  const copy = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const wide = instantiateKernels(compileBinary('wide'), memory);
  const fast = instantiateKernels(compileBinary('fast'), copy);
  const compared = Object.entries(wide as unknown as Record<string, Kernel>).flatMap(
    ([name, kernel]) => {
      const twin = (fast as unknown as Record<string, Kernel>)[name]!;
      return typeof kernel === 'function'
        ? [[name, comparing(name, kernel, twin, [memory, copy], usedBytes)] as const]
        : [];
    },
  );
  return Object.fromEntries(compared) as unknown as KernelExports;
}

function comparing(
  name: string,
  kernel: Kernel,
  twin: Kernel,
  memories: readonly [WebAssembly.Memory, WebAssembly.Memory],
  usedBytes: () => number,
): Kernel {
  return (...args) => {
    const [own, other] = memories.map(({ buffer }) => Buffer.from(buffer, 0, usedBytes()));
    other!.set(own!);
    const result = kernel(...args);
    const expected = twin(...args);
    if (!Object.is(result, expected)) {
      throw new Error(`${name} gives ${result} in the wide build, ${expected} in the fast one.`);
    }
    if (Buffer.compare(own!, other!) !== 0) {
      const at = own!.findIndex((byte, i) => byte !== other![i]);
      throw new Error(
        `${name} leaves other bits at byte ${at} in the wide than in the fast build.`,
      );
    }
    return result;
  };
}
