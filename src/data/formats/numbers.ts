// Converts numbers in files, of any type and byte order, to the four kinds of arrays that the
// library uses: bytes, 32-bit integers, and floats of 32 or 64 bits.

import { UsageError } from '../../base/errors.ts';
import { widenHalf } from '../../base/half.ts';

/** Unsigned, signed, float or bool (one byte), followed by the size in bytes: NumPy's letters. */
export type NumberType =
  | 'b1'
  | 'u1'
  | 'i1'
  | 'u2'
  | 'i2'
  | 'u4'
  | 'i4'
  | 'u8'
  | 'i8'
  | 'f2'
  | 'f4'
  | 'f8';

/** Numbers from a file. */
export type Numbers = Uint8Array | Int32Array | Float32Array | Float64Array;

const MIN_INT32 = -(2 ** 31);
const MAX_INT32 = 2 ** 31 - 1;

/** Bytes per number of this type. */
export function itemBytes(type: NumberType): number {
  return Number(type[1]);
}

/** The complete numbers in these bytes, always copied. Bools become 0 and 1, other bytes stay
 * bytes, integers become 32-bit, halves float32. Throws a {@link UsageError} that names `file` if
 * an integer needs more than 32 bits. */
export function numbersFrom(
  bytes: Uint8Array,
  type: NumberType,
  options: { readonly isBigEndian: boolean; readonly file: string },
): Numbers {
  // Copied, because a view needs an address that is a multiple of the item size.
  const { buffer } = new Uint8Array(bytes);
  if (options.isBigEndian) swap(buffer, itemBytes(type));
  switch (type) {
    case 'u1':
      return new Uint8Array(buffer);
    case 'b1':
      return new Uint8Array(buffer).map((byte) => (byte === 0 ? 0 : 1));
    case 'i1':
      return Int32Array.from(new Int8Array(buffer));
    case 'u2':
      return Int32Array.from(new Uint16Array(buffer));
    case 'i2':
      return Int32Array.from(new Int16Array(buffer));
    case 'u4':
      return narrow(new Uint32Array(buffer), options.file);
    case 'i4':
      return new Int32Array(buffer);
    case 'u8':
      return narrow(new BigUint64Array(buffer), options.file);
    case 'i8':
      return narrow(new BigInt64Array(buffer), options.file);
    case 'f2':
      return widenHalf(new Uint16Array(buffer));
    case 'f4':
      return new Float32Array(buffer);
    case 'f8':
      return new Float64Array(buffer);
  }
}

function swap(buffer: ArrayBufferLike, bytes: number): void {
  const view = Buffer.from(buffer as ArrayBuffer);
  if (bytes === 2) view.swap16();
  if (bytes === 4) view.swap32();
  if (bytes === 8) view.swap64();
}

function narrow(wide: Uint32Array | BigInt64Array | BigUint64Array, file: string): Int32Array {
  const values = new Int32Array(wide.length);
  for (let i = 0; i < wide.length; i++) {
    const value = wide[i]!;
    if (value < MIN_INT32 || value > MAX_INT32) {
      throw new UsageError({
        what: `value ${i} of ${file}`,
        given: `${value}`,
        allowed: 'whole numbers of 32 bits',
        hint: 'array.astype(np.float64) before np.save',
      });
    }
    values[i] = Number(value);
  }
  return values;
}

/** Reorders values from Fortran order (first axis fastest) to C order (last axis fastest). */
export function fromFortranOrder<T extends Numbers>(values: T, shape: readonly number[]): T {
  const turned = values.slice() as T;
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((a, b) => a * b, 1));
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < turned.length; to++) {
    turned[to] = values[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return turned;
}
