// FNV-1a over 32 bits (Fowler, Noll, Vo): a hash that is fast for a few bytes, only against
// mistakes.

const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/** The hash of bytes, as a signed number. `before` is the hash of the bytes that precede them. */
export function fnv1a(bytes: Uint8Array, before = OFFSET): number {
  let hash = before | 0;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, PRIME);
  return hash;
}
