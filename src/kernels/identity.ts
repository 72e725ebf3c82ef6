// What computes: which build of the kernels, and on which engine. Two runs of `fast` numbers on
// different ones may differ in their last bits.

import { createHash } from 'node:crypto';
import { buildOf, kernelBytes, type NumericMode } from './load.ts';

/** By build: each is read and hashed once, not for every checkpoint. */
const names = new Map<string, string>();

/** The build that a mode runs here and the hash of its code: `fast 3f2a...`. */
export function kernelsOf(mode: NumericMode): string {
  const build = buildOf(mode);
  const name = names.get(build) ?? `${build} ${hashOf(kernelBytes(build))}`;
  names.set(build, name);
  return name;
}

function hashOf(code: Uint8Array): string {
  return createHash('sha256').update(code).digest('hex').slice(0, 16);
}

/** The engine and the processor's kind: `v8 11.3.244.8-node.30, x64`. */
export function engineName(): string {
  return `v8 ${process.versions.v8}, ${process.arch}`;
}
