// Whether numbers are finite: x * 0 is 0 for finite numbers and NaN for all others, and NaN stays
// NaN in a sum.

@inline
function addZero(sum: v128, xPtr: usize): v128 {
  return f32x4.add(sum, f32x4.mul(v128.load(xPtr), f32x4.splat(0)));
}

export function allFiniteF32(xPtr: usize, n: i32): i32 {
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  let c = f32x4.splat(0);
  let d = f32x4.splat(0);
  for (; n >= 16; n -= 16, xPtr += 64) {
    a = addZero(a, xPtr);
    b = addZero(b, xPtr + 16);
    c = addZero(c, xPtr + 32);
    d = addZero(d, xPtr + 48);
  }
  let rest: f32 = 0;
  for (; n > 0; n--, xPtr += 4) rest += f32.load(xPtr) * 0;
  const sums = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  return i32(v128.all_true<i32>(f32x4.eq(sums, f32x4.splat(0))) && rest == 0);
}
