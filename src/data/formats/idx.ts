// IDX, the format of MNIST and similar sets: 0x00 0x00, type, rank, then each size as a big-endian
// 32-bit number, then the values, also big-endian (http://yann.lecun.com/exdb/mnist/); plain or
// gzip. Bytes are not copied: the result is a view of the file.

import { UsageError } from '../../base/errors.ts';
import { trailing, truncated, unpack } from './files.ts';
import { itemBytes, type Numbers, type NumberType, numbersFrom } from './numbers.ts';

/** The contents of an IDX file. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly values: Numbers;
}

const MAGIC_BYTES = 4;
const SIZE_BYTES = 4;
const MAX_RANK = 4;
const TYPES: ReadonlyMap<number, NumberType> = new Map([
  [0x08, 'u1'],
  [0x09, 'i1'],
  [0x0b, 'i2'],
  [0x0c, 'i4'],
  [0x0d, 'f4'],
  [0x0e, 'f8'],
]);

/** Parses an IDX file, plain or gzip; `file` is for messages. Throws a UsageError if the magic
 * number is wrong, or if the length does not match the header. */
export function parseIdx(packed: Uint8Array, file: string): IdxArray {
  const bytes = unpack(packed, file, idxWantedBytes);
  if (bytes.length < MAGIC_BYTES) {
    throw truncated(file, bytes.length, `a header of at least ${MAGIC_BYTES} bytes`);
  }
  const type = TYPES.get(bytes[2]!);
  const rank = bytes[3]!;
  if (bytes[0] !== 0 || bytes[1] !== 0 || type === undefined || rank < 1 || rank > MAX_RANK) {
    throw wrongMagic(file, bytes);
  }
  const headerBytes = MAGIC_BYTES + SIZE_BYTES * rank;
  if (bytes.length < headerBytes) {
    throw truncated(file, bytes.length, `a header of ${headerBytes} bytes`);
  }
  const shape = sizesIn(bytes, rank);
  // Four sizes below 2^32 give a product below 2^128. It may be rounded, but is never mistaken for
  // the length of a file, which is below 2^31.
  const count = shape.reduce((product, size) => product * size, 1);
  const wantedBytes = headerBytes + count * itemBytes(type);
  if (bytes.length < wantedBytes) throw truncated(file, bytes.length, wantedBytes);
  if (bytes.length > wantedBytes) throw trailing(file, bytes.length, wantedBytes);
  const data = bytes.subarray(headerBytes);
  return {
    shape,
    values: type === 'u1' ? data : numbersFrom(data, type, { isBigEndian: true, file }),
  };
}

/** The file length according to an IDX header; undefined for anything else. */
export function idxWantedBytes(head: Uint8Array): number | undefined {
  const rank = head[3] ?? 0;
  const headerBytes = MAGIC_BYTES + SIZE_BYTES * rank;
  const type = head[0] === 0 && head[1] === 0 ? TYPES.get(head[2]!) : undefined;
  if (type === undefined || rank < 1 || rank > MAX_RANK || head.length < headerBytes) {
    return undefined;
  }
  const count = sizesIn(head, rank).reduce((product, size) => product * size, 1);
  return headerBytes + count * itemBytes(type);
}

function sizesIn(bytes: Uint8Array, rank: number): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, MAGIC_BYTES + SIZE_BYTES * rank);
  return Array.from({ length: rank }, (_, i) => view.getUint32(MAGIC_BYTES + SIZE_BYTES * i));
}

function wrongMagic(file: string, bytes: Uint8Array): UsageError {
  const hex = Array.from(bytes.subarray(0, MAGIC_BYTES), (byte) =>
    byte.toString(16).padStart(2, '0'),
  );
  const types = [...TYPES.keys()].map((type) => type.toString(16).padStart(2, '0'));
  return new UsageError({
    what: `magic number of ${file}`,
    given: hex.join(' '),
    allowed: `00 00, one of ${types.join(' ')}, and 01 to 0${MAX_RANK} for as many axes`,
  });
}
