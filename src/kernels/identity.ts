// What computes: which build of the kernels, and on which engine. Two runs of `fast` numbers on
// different ones may differ in their last bits.

import { createHash } from 'node:crypto';
import { hasRelaxedSimd, kernelBytes, type NumericMode } from './load.ts';

/** The build that a mode runs here and the hash of its code: `fast 3f2a...`. */
export function kernelsOf(mode: NumericMode): string {
  const file = mode === 'fast' && hasRelaxedSimd() ? 'fast' : 'strict';
  return `${file} ${createHash('sha256').update(kernelBytes(file)).digest('hex').slice(0, 16)}`;
}

/** The engine and the processor's kind: `v8 11.3.244.8-node.30, x64`. */
export function engineName(): string {
  return `v8 ${process.versions.v8}, ${process.arch}`;
}
