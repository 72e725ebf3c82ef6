// The memory of a group, for library code that runs kernels on arrays from `allocate`. It is not
// part of the public Group, since a group over another transport may not have it.

import type { Group } from './group.ts';

/** A registered symbol, so that it is found even if a bundler has copied this module. */
const MEMORY = Symbol.for('syncbn.memory');

interface WithMemory {
  readonly [MEMORY]?: WebAssembly.Memory;
}

/** Remembers the memory of a group's arrays. */
export function rememberMemory(group: Group, memory: WebAssembly.Memory): void {
  Object.defineProperty(group, MEMORY, { value: memory });
}

/** The memory that {@link Group.allocate} takes arrays from, or undefined if it is unknown. */
export function memoryOf(group: Group): WebAssembly.Memory | undefined {
  return (group as WithMemory)[MEMORY];
}
