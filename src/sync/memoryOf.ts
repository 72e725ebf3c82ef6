// The memory of a group, for code of this library that runs kernels on arrays from `allocate`. It
// is not part of the public Group: a group over another transport may have none.

import type { Group } from './group.ts';

/** In the registry of all symbols, so that it is found when a bundler has copied this module. */
const MEMORY = Symbol.for('syncbn.memory');

interface WithMemory {
  readonly [MEMORY]?: WebAssembly.Memory;
}

/** Remembers where a group's arrays lie. */
export function rememberMemory(group: Group, memory: WebAssembly.Memory): void {
  Object.defineProperty(group, MEMORY, { value: memory });
}

/** The memory that {@link Group.allocate} takes arrays from; undefined where that is unknown. */
export function memoryOf(group: Group): WebAssembly.Memory | undefined {
  return (group as WithMemory)[MEMORY];
}
