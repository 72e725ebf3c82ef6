// Files of named tensors in PyTorch's usual exchange format (github.com/huggingface/safetensors):
// the header's length as a little-endian uint64, the header in JSON, then all values. Files are
// written in that library's order and spelling: by element type, largest first, then by name. A
// file that it wrote is therefore reproduced exactly.

import type { FileHandle } from 'node:fs/promises';
import { UsageError } from '../base/errors.ts';
import { readSome, withRegularFile, writeAll } from '../base/regularFile.ts';
import type { Shape } from '../base/shape.ts';
import { writeWhole } from '../base/wholeFile.ts';
import { ELEMENT_TYPES, type ElementName } from './elementTypes.ts';
import { MAX_HEADER_BYTES, METADATA, parseHeader, type TensorPlace } from './safetensorsHeader.ts';

/** A tensor in a file. */
export interface FileTensor {
  readonly name: string;
  readonly type: ElementName;
  readonly shape: Shape;
  /** Halves as float32, integers as float64. */
  readonly values: Float32Array | Float64Array;
}

/** A tensor to write. */
export interface TensorToWrite {
  readonly name: string;
  readonly type: 'F32' | 'I64';
  readonly shape: Shape;
  readonly values: Float32Array | BigInt64Array;
}

const LENGTH_BYTES = 8;
const ALIGNMENT = 8;

/** Reads all tensors of a file; `what` names it in errors. Throws a {@link UsageError} for anything
 * but a whole safetensors file, before allocating memory for its values. */
export async function readSafetensors(path: string, what: string): Promise<readonly FileTensor[]> {
  return withRegularFile(path, what, async (file, size) => {
    const { places, start } = await readHeader(what, file, size);
    const tensors: FileTensor[] = [];
    for (const { name, type, shape, begin, end } of places) {
      const bytes = await readSome(file, start + begin, end - begin);
      if (bytes.length < end - begin) throw truncated(what, size);
      // The Buffer does not share its memory.
      const values = ELEMENT_TYPES[type].decode(bytes.buffer, `${what}, ${name}`);
      tensors.push({ name, type, shape, values });
    }
    return tensors;
  });
}

async function readHeader(
  what: string,
  file: FileHandle,
  size: number,
): Promise<{ readonly places: readonly TensorPlace[]; readonly start: number }> {
  const prefix = await readSome(file, 0, Math.min(size, LENGTH_BYTES));
  if (prefix.length < LENGTH_BYTES) throw truncated(what, size);
  const length = prefix.readBigUInt64LE();
  if (length > MAX_HEADER_BYTES) {
    throw new UsageError({
      what: `length of the header of ${what}`,
      given: length,
      allowed: `at most ${MAX_HEADER_BYTES} bytes`,
      hint: 'a safetensors file',
    });
  }
  const start = LENGTH_BYTES + Number(length);
  if (start > size) throw truncated(what, size);
  const header = await readSome(file, LENGTH_BYTES, Number(length));
  return { places: parseHeader(what, header, size - start), start };
}

function truncated(what: string, size: number): UsageError {
  return new UsageError({ what, given: `${size} bytes`, allowed: 'a whole safetensors file' });
}

/** The file's metadata. */
export type FileMetadata = Readonly<Record<string, string>>;

/** Writes tensors with distinct names, atomically: readers see either the old file or the new one.
 * `what` names the file in errors; empty metadata is left out. Throws a {@link UsageError} if it
 * cannot be written. */
export async function writeSafetensors(
  path: string,
  what: string,
  { tensors, metadata }: { readonly tensors: readonly TensorToWrite[]; metadata: FileMetadata },
): Promise<void> {
  const sorted = [...tensors].sort(
    (a, b) =>
      ELEMENT_TYPES[b.type].bytes - ELEMENT_TYPES[a.type].bytes ||
      Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );
  await writeWhole(path, what, async (file) => {
    await writeAll(file, headerOf(sorted, metadata));
    for (const { values } of sorted) {
      await writeAll(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  });
}

/** The length, and the header padded with spaces to a multiple of 8. */
function headerOf(tensors: readonly TensorToWrite[], metadata: FileMetadata): Uint8Array {
  let at = 0;
  // Written entry by entry: an object would put integer names first.
  const fields = tensors.map(({ name, type, shape, values }) => {
    const begin = at;
    at += values.byteLength;
    return field(name, { dtype: type, shape, data_offsets: [begin, at] });
  });
  if (Object.keys(metadata).length > 0) fields.unshift(field(METADATA, metadata));
  const json = Buffer.from(`{${fields.join(',')}}`);
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const bytes = Buffer.alloc(LENGTH_BYTES + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length));
  json.copy(bytes, LENGTH_BYTES);
  return bytes;
}

function field(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}
