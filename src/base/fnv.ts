// FNV-1a over 32 bits (Fowler, Noll, Vo): a hash that is fast on a few bytes, against mistakes
// alone.

export const FNV_OFFSET = 0x811c9dc5;
export const FNV_PRIME = 0x01000193;
