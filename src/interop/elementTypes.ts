// The element types of tensors in files: how long an element is, and how its little-endian bytes
// become numbers. Halves are widened to float32, whole numbers to float64.

import { UsageError } from '../base/errors.ts';

/** A type as safetensors names it. */
export type ElementName = keyof typeof ELEMENT_TYPES;

export interface ElementType {
  readonly bytes: number;
  /** Whether its values are made to be weights. */
  readonly isFloat: boolean;
  /** The values of bytes that begin an ArrayBuffer; `what` names the tensor in errors. */
  decode(bytes: ArrayBuffer, what: string): Float32Array | Float64Array;
}

const whole = (bytes: number, view: (bytes: ArrayBuffer) => ArrayLike<number>): ElementType => ({
  bytes,
  isFloat: false,
  decode: (buffer) => Float64Array.from(view(buffer)),
});

const long = (view: (bytes: ArrayBuffer) => BigInt64Array | BigUint64Array): ElementType => ({
  bytes: 8,
  isFloat: false,
  decode: (buffer, what) =>
    Float64Array.from(view(buffer) as ArrayLike<bigint>, (value) => toNumber(value, what)),
});

/** In no particular order. */
export const ELEMENT_TYPES = {
  F64: { bytes: 8, isFloat: true, decode: (bytes) => new Float64Array(bytes) },
  F32: { bytes: 4, isFloat: true, decode: (bytes) => new Float32Array(bytes) },
  F16: { bytes: 2, isFloat: true, decode: (bytes) => widened(bytes, halfBits) },
  BF16: { bytes: 2, isFloat: true, decode: (bytes) => widened(bytes, (bits) => bits << 16) },
  I64: long((bytes) => new BigInt64Array(bytes)),
  U64: long((bytes) => new BigUint64Array(bytes)),
  I32: whole(4, (bytes) => new Int32Array(bytes)),
  U32: whole(4, (bytes) => new Uint32Array(bytes)),
  I16: whole(2, (bytes) => new Int16Array(bytes)),
  U16: whole(2, (bytes) => new Uint16Array(bytes)),
  I8: whole(1, (bytes) => new Int8Array(bytes)),
  U8: whole(1, (bytes) => new Uint8Array(bytes)),
  BOOL: whole(1, (bytes) => new Uint8Array(bytes)),
} as const satisfies Readonly<Record<string, ElementType>>;

/** Whether a type has this name. */
export function isElementName(name: unknown): name is ElementName {
  return typeof name === 'string' && Object.hasOwn(ELEMENT_TYPES, name);
}

/** Float32 numbers by the bits that each 16 bits stand for. */
function widened(bytes: ArrayBuffer, bitsOf: (half: number) => number): Float32Array {
  const halves = new Uint16Array(bytes);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = bitsOf(halves[i]!);
  return new Float32Array(bits.buffer);
}

const HALF_FRACTION_BITS = 10;
const HALF_INFINITE = 31;
/** Between the exponents of both types, 127 - 15. */
const EXPONENT_SHIFT = 112;

/** The float32 bits of an IEEE half, which has 1 bit for the sign, 5 for the exponent and 10 for
 * the fraction. */
function halfBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> HALF_FRACTION_BITS) & HALF_INFINITE;
  const fraction = half & 0x3ff;
  if (exponent === HALF_INFINITE) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + EXPONENT_SHIFT) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Subnormal: fraction times 2^-24, which float32 has as a normal number.
  const shift = Math.clz32(fraction) - (31 - HALF_FRACTION_BITS);
  const normal = (fraction << shift) & 0x3ff;
  return sign | ((EXPONENT_SHIFT + 1 - shift) << 23) | (normal << 13);
}

function toNumber(value: bigint, what: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new UsageError({ what, given: value, allowed: 'whole numbers within 2^53' });
}
