// Floats of 16 bits (IEEE 754 binary16), which files may have.

const SIGN = 0x8000;
const EXPONENT_BITS = 10;
const EXPONENT = 0x1f;
const FRACTION = 0x3ff;
const BIAS = 15;
/** Of numbers too small for a leading one. */
const SMALLEST = 2 ** (1 - BIAS - EXPONENT_BITS);

/** The numbers that these bits stand for, all of which float32 has. */
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
