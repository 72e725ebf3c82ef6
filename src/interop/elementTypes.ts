// The element types of tensors in files: element sizes, and the conversion from little-endian bytes
// to numbers. Halves are widened to float32, integers to float64.

import { UsageError } from '../base/errors.ts';
import { widenHalf } from '../base/half.ts';

/** A type as safetensors names it. */
export type ElementName = keyof typeof ELEMENT_TYPES;

export interface ElementType {
  readonly bytes: number;
  /** Whether its values can be weights. */
  readonly isFloat: boolean;
  /** Decodes bytes at the start of an ArrayBuffer; `what` names the tensor in errors. */
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

/** The order has no meaning. */
export const ELEMENT_TYPES = {
  F64: { bytes: 8, isFloat: true, decode: (bytes) => new Float64Array(bytes) },
  F32: { bytes: 4, isFloat: true, decode: (bytes) => new Float32Array(bytes) },
  F16: { bytes: 2, isFloat: true, decode: (bytes) => widenHalf(new Uint16Array(bytes)) },
  BF16: { bytes: 2, isFloat: true, decode: (bytes) => widenBrain(new Uint16Array(bytes)) },
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

/** Decodes bfloat16, the upper half of a float32. */
function widenBrain(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
}

function toNumber(value: bigint, what: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new UsageError({ what, given: value, allowed: 'whole numbers within 2^53' });
}
