// One iteration ("turn") of a loop over vectors: one vector in the narrow builds, two adjacent ones
// in the wide build. V8 packs two vectors into a 256-bit one if their loads are next to each other
// in the code, 16 bytes apart, and so are their stores, with no load or store in between. The
// second store must come first, or the first one is done twice.

import { IS_WIDE } from './build';

/** The bytes of each line that a turn processes. */
export const TURN_BYTES: usize = IS_WIDE ? 32 : 16;

/** The second vector of a turn; in a narrow build the first one, which is not stored. */
@inline
export function loadSecond(ptr: usize, first: v128): v128 {
  return IS_WIDE ? v128.load(ptr, 16) : first;
}

/** Stores the results of a turn. */
@inline
export function storeTurn(ptr: usize, first: v128, second: v128): void {
  if (IS_WIDE) v128.store(ptr, second, 16);
  v128.store(ptr, first);
}

/** A constant in all lanes, loaded from 4 bytes of memory, since a compile-time constant would be
 * rebuilt in every iteration of a loop. */
@inline
export function constant(value: f32, sparePtr: usize): v128 {
  f32.store(sparePtr, value);
  return v128.load_splat<f32>(sparePtr);
}
