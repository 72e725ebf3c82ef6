// Identifies the build of the kernels and the engine. Two runs in mode `fast` on different ones may
// differ in their last bits.

import { createHash } from 'node:crypto';
import { kernelBytes } from './binaries.ts';
import { buildOf, type NumericMode } from './builds.ts';

/** Names by build. Each build is read and hashed once, not for every checkpoint. */
const names = new Map<string, string>();

/** Identifies what decides the bits of a mode here: the build and the hash of its code,
 * `fast 3f2a...`. The `wide` build has the bits, and thus the name, of `fast`. */
export function kernelsOf(mode: NumericMode): string {
  const build = buildOf(mode);
  const deciding = build === 'wide' ? 'fast' : build;
  const name = names.get(deciding) ?? `${deciding} ${hashOf(kernelBytes(deciding))}`;
  names.set(deciding, name);
  return name;
}

function hashOf(code: Uint8Array): string {
  return createHash('sha256').update(code).digest('hex').slice(0, 16);
}

/** The engine and the processor architecture: `v8 11.3.244.8-node.30, x64`. */
export function engineName(): string {
  return `v8 ${process.versions.v8}, ${process.arch}`;
}
