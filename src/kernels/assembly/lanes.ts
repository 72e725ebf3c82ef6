// Small helpers on vector lanes that several kernel files share; they are inlined, not exported.

/** Lanes 0 and 1 of a float32 vector as float64. */
@inline
export function low(value: v128): v128 {
  return f64x2.promote_low_f32x4(value);
}

/** Lanes 2 and 3 of a float32 vector as float64. */
@inline
export function high(value: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(value, value, 1, 0));
}

/** Four float64 lanes rounded to one float32 vector. */
@inline
export function narrow(lowPair: v128, highPair: v128): v128 {
  return v128.shuffle<i64>(
    f32x4.demote_f64x2_zero(lowPair),
    f32x4.demote_f64x2_zero(highPair),
    0,
    2,
  );
}

/** Stores the first `count` (0 to 3) floats of a vector. */
@inline
export function storePart(ptr: usize, value: v128, count: i32): void {
  if (count > 0) f32.store(ptr, f32x4.extract_lane(value, 0));
  if (count > 1) f32.store(ptr, f32x4.extract_lane(value, 1), 4);
  if (count > 2) f32.store(ptr, f32x4.extract_lane(value, 2), 8);
}

/** Stores the first `count` floats of a vector; all four when count >= 4. */
@inline
export function storeLanes(ptr: usize, value: v128, count: i32): void {
  if (count >= 4) v128.store(ptr, value);
  else storePart(ptr, value, count);
}

/** Adds the first `count` (1 to 4, or more) lanes of the pair to the float64 numbers at `ptr`. */
@inline
export function addLanes(ptr: usize, a: v128, b: v128, count: i32): void {
  if (count >= 4) {
    v128.store(ptr, f64x2.add(v128.load(ptr), a));
    v128.store(ptr, f64x2.add(v128.load(ptr, 16), b), 16);
    return;
  }
  f64.store(ptr, f64.load(ptr) + f64x2.extract_lane(a, 0));
  if (count > 1) f64.store(ptr, f64.load(ptr, 8) + f64x2.extract_lane(a, 1), 8);
  if (count > 2) f64.store(ptr, f64.load(ptr, 16) + f64x2.extract_lane(b, 0), 16);
}
