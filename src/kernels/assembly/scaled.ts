// Maps positions of one axis to another, exactly, in whole numbers; inlined, not exported.

/** floor(at * size / outSize). */
@inline
export function scaledDown(at: i32, size: i32, outSize: i32): i32 {
  return <i32>((<i64>at * <i64>size) / <i64>outSize);
}

/** ceil(at * size / outSize). */
@inline
export function scaledUp(at: i32, size: i32, outSize: i32): i32 {
  return <i32>((<i64>at * <i64>size + <i64>outSize - 1) / <i64>outSize);
}
