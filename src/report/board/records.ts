// The records of TensorFlow's event files (TFRecord): length, its checksum, the data, its checksum.
// Checksums are CRC-32C (Castagnoli, RFC 3720, appendix B.4). They are masked, since data may
// itself contain checksums (https://www.tensorflow.org/tutorials/load_data/tfrecord).

import { DOUBLE_BYTES, FLOAT_BYTES } from '../../base/bytes.ts';

const LENGTH_BYTES = DOUBLE_BYTES;
const CHECKSUM_BYTES = FLOAT_BYTES;
/** 0x1EDC6F41, lowest bit first. */
const POLYNOMIAL = 0x82f63b78;
const MASK_DELTA = 0xa282ead8;
const MASK_SHIFT = 15;
const WORD_BITS = 32;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? POLYNOMIAL : 0);
  return rest;
});

/** One record of this data. */
export function recordOf(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(LENGTH_BYTES + CHECKSUM_BYTES + data.length + CHECKSUM_BYTES);
  record.writeBigUInt64LE(BigInt(data.length));
  record.writeUInt32LE(maskedCrc(record.subarray(0, LENGTH_BYTES)), LENGTH_BYTES);
  record.set(data, LENGTH_BYTES + CHECKSUM_BYTES);
  record.writeUInt32LE(maskedCrc(data), record.length - CHECKSUM_BYTES);
  return record;
}

function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  const rotated = (crc >>> MASK_SHIFT) | (crc << (WORD_BITS - MASK_SHIFT));
  return (rotated + MASK_DELTA) >>> 0;
}

/** The CRC-32C of bytes, from 0 to 2^32 - 1. */
export function crc32c(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}
