// Writes NumPy's .npy files, format version 1: little-endian numbers in C order.

import { assertSame } from '../../base/errors.ts';
import { sizeOf } from '../../base/shape.ts';

const MAGIC = '\x93NUMPY\x01\x00';
const ALIGNMENT = 64;
const LENGTH_BYTES = 2;

const DESCR = { u8: '|u1', i32: '<i4', f32: '<f4' } as const;

/** The bytes of a .npy file with these values, row-major. */
export function npyBytes(
  shape: readonly number[],
  values: Uint8Array | Int32Array | Float32Array,
): Uint8Array {
  assertSame('values of an array', values.length, sizeOf(shape));
  const head = npyHead(shape, typeOf(values));
  const bytes = new Uint8Array(head.length + values.byteLength);
  bytes.set(head);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), head.length);
  return bytes;
}

/** The bytes before the values in a .npy file. */
export function npyHead(shape: readonly number[], type: keyof typeof DESCR): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${DESCR[type]}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const before = MAGIC.length + LENGTH_BYTES;
  const start = Math.ceil((before + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(start).fill(0x20, before);
  const head = Buffer.from(bytes.buffer);
  head.write(MAGIC, 'latin1');
  head.writeUInt16LE(start - before, MAGIC.length);
  head.write(text, before, 'latin1');
  bytes[start - 1] = 0x0a;
  return bytes;
}

function typeOf(values: Uint8Array | Int32Array | Float32Array): keyof typeof DESCR {
  if (values instanceof Uint8Array) return 'u8';
  return values instanceof Int32Array ? 'i32' : 'f32';
}
