// Writes NumPy's .npy files, format version 1: little-endian float32 in C order.

import { assertSame } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';

const MAGIC = '\x93NUMPY\x01\x00';
const ALIGNMENT = 64;
const LENGTH_BYTES = 2;

/** The bytes of a .npy file with these values, row-major. */
export function npyBytes(shape: readonly number[], values: Float32Array): Uint8Array {
  assertSame('values of an array', values.length, sizeOf(shape));
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`;
  const before = MAGIC.length + LENGTH_BYTES;
  const start = Math.ceil((before + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(start + values.byteLength).fill(0x20, before, start);
  const head = Buffer.from(bytes.buffer, 0, start);
  head.write(MAGIC, 'latin1');
  head.writeUInt16LE(start - before, MAGIC.length);
  head.write(text, before, 'latin1');
  bytes[start - 1] = 0x0a;
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), start);
  return bytes;
}
