// 16-bit floats (IEEE 754 binary16), which files may contain.

const SIGN = 0x8000;
const EXPONENT_BITS = 10;
const EXPONENT = 0x1f;
const FRACTION = 0x3ff;
const BIAS = 15;
/** The unit of subnormal numbers. */
const SMALLEST = 2 ** (1 - BIAS - EXPONENT_BITS);

/** The numbers that these bits represent, which are all exact in float32. */
export function widenHalf(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, (word) => {
    const exponent = (word >> EXPONENT_BITS) & EXPONENT;
    const fraction = word & FRACTION;
    return ((word & SIGN) === 0 ? 1 : -1) * magnitude(exponent, fraction);
  });
}

function magnitude(exponent: number, fraction: number): number {
  if (exponent === 0) return fraction * SMALLEST;
  if (exponent === EXPONENT) return fraction === 0 ? Infinity : Number.NaN;
  return (1 + fraction / (FRACTION + 1)) * 2 ** (exponent - BIAS);
}
