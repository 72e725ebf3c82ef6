// Reads checkpoints of version 1, which are no longer written: one MessagePack map with typed
// arrays as extension types, without a checksum.

import type { FileHandle } from 'node:fs/promises';
import { decode, ExtensionCodec, encode } from '@msgpack/msgpack';
import { UsageError } from '../base/errors.ts';
import { messageOf } from '../base/showError.ts';
import { type Checkpoint, checkWhole } from './checkpoint.ts';

const FORMAT = 'syncbn checkpoint';
const VERSION = 1;

/** Extension types of typed arrays. */
const EXTENSION_F32 = 1;
const EXTENSION_F64 = 2;

const codec = new ExtensionCodec();
codec.register({
  type: EXTENSION_F32,
  encode: () => null,
  decode: (bytes) => new Float32Array(copyBytes(bytes, 4)),
});
codec.register({
  type: EXTENSION_F64,
  encode: () => null,
  decode: (bytes) => new Float64Array(copyBytes(bytes, 8)),
});

/** Whether a file that begins like this is of version 1: a map with the format as its first
 * entry. */
export function isVersion1(prefix: Buffer): boolean {
  const start = Buffer.from(encode({ format: FORMAT })).subarray(1, prefix.length);
  return prefix.length > start.length && prefix.subarray(1, 1 + start.length).equals(start);
}

/** Reads the whole file. */
export async function readVersion1(what: string, file: FileHandle): Promise<Checkpoint> {
  const decoded = decodeBounded(what, await file.readFile());
  const { format, version, ...checkpoint } = Object(decoded) as Record<string, unknown>;
  if (format !== FORMAT || version !== VERSION) {
    throw new UsageError({
      what,
      given: 'another kind of file',
      allowed: 'a checkpoint',
      hint: 'a file that syncbn wrote',
    });
  }
  return checkWhole(what, checkpoint);
}

/** Decodes untrusted MessagePack: its size bounds every length in it. */
export function decodeBounded(what: string, bytes: Uint8Array): unknown {
  const limit = bytes.length;
  try {
    return decode(bytes, {
      extensionCodec: codec,
      maxStrLength: limit,
      maxArrayLength: limit,
      maxMapLength: limit,
      maxExtLength: limit,
    });
  } catch (error) {
    throw new UsageError({
      what,
      given: `${bytes.length} bytes that do not decode (${messageOf(error)})`,
      allowed: 'a whole checkpoint',
      hint: 'an earlier checkpoint; this one is truncated or damaged',
    });
  }
}

/** A copy, since MessagePack's own bytes may be unaligned. Checks that the length is a whole number
 * of elements. */
function copyBytes(bytes: Uint8Array, elementBytes: number): ArrayBuffer {
  if (bytes.length % elementBytes !== 0) {
    throw new RangeError(`${bytes.length} bytes are not whole numbers of ${elementBytes} bytes`);
  }
  const copy = new Uint8Array(bytes);
  return copy.buffer;
}
