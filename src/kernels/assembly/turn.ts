// One turn of a loop over vectors: one vector in the narrow builds, two side by side in the wide
// one. V8 packs two vectors into one of 256 bits when their loads stand next to each other, 16
// bytes apart, and their stores, too, with no load or store between; the second store has to come
// first, or the first one is done twice.

import { IS_WIDE } from './build';

/** What a turn takes of each line. */
export const TURN_BYTES: usize = IS_WIDE ? 32 : 16;

/** The second vector of a turn; in a narrow build the first one, and never stored. */
@inline
export function loadSecond(ptr: usize, first: v128): v128 {
  return IS_WIDE ? v128.load(ptr, 16) : first;
}

/** Stores what a turn gives. */
@inline
export function storeTurn(ptr: usize, first: v128, second: v128): void {
  if (IS_WIDE) v128.store(ptr, second, 16);
  v128.store(ptr, first);
}

/** A constant in all lanes, by way of 4 bytes of memory: a number that the compiler knows would be
 * built again in every turn of a loop. */
@inline
export function constant(value: f32, sparePtr: usize): v128 {
  f32.store(sparePtr, value);
  return v128.load_splat<f32>(sparePtr);
}
