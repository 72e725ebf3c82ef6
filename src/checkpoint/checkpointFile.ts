// Checkpoints in files. Version 2, all numbers little-endian:
//   0   8 bytes   89 'SYNCBN' 0a
//   8   uint32    version, 2        12  uint32  bytes of the structure
//   16  MessagePack: the structure (CheckpointHead), then zeros up to a multiple of 64
//   ..  the values of each tensor in the structure's order, each padded in the same way
//   end 32 bytes  SHA-256 of all before
// Values are streamed both ways: neither side holds a second copy.

import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { encode } from '@msgpack/msgpack';
import { InvariantError, UsageError } from '../base/errors.ts';
import { readSome, withRegularFile, writeAll } from '../base/regularFile.ts';
import { sizeOf } from '../base/shape.ts';
import { writeWhole } from '../base/wholeFile.ts';
import {
  type Checkpoint,
  type CheckpointHead,
  checkHead,
  checkReadable,
  headOf,
  type TensorHead,
} from './checkpoint.ts';
import { decodeBounded, isVersion1, readVersion1 } from './checkpointVersion1.ts';

const MAGIC = Buffer.from([0x89, ...Buffer.from('SYNCBN'), 0x0a]);
const VERSION = 2;
const PREFIX_BYTES = 16;
const ALIGNMENT = 64;
const DIGEST_BYTES = 32;
/** The chunk size for copying, hashing and I/O. */
const CHUNK_BYTES = 4 << 20;

type Values = Float32Array | Float64Array;

/** A checkpoint file with a structure that was read and checked. Each call opens the file again. */
export interface CheckpointFile {
  readonly head: CheckpointHead;
  /** Reads the values into new arrays. */
  load(): Promise<Checkpoint>;
  /** Reads the values into arrays of their types and lengths, in the structure's order. Throws a
   * {@link UsageError} if the file is damaged; the arrays are then partly overwritten. */
  readInto(arrays: readonly Values[]): Promise<void>;
}

/** Writes a checkpoint atomically: readers see either the old file or the new one. Refuses a
 * checkpoint that could not be read again. Throws a {@link UsageError} if the file cannot be
 * written. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const what = `checkpoint to write, ${path}`;
  const head = headOf(checkpoint);
  checkReadable(what, head);
  const content = async (file: FileHandle): Promise<void> => {
    const sink = new HashedSink(file);
    const structure = encode(head);
    const prefix = Buffer.alloc(PREFIX_BYTES);
    MAGIC.copy(prefix);
    prefix.writeUInt32LE(VERSION, 8);
    prefix.writeUInt32LE(structure.length, 12);
    await sink.write(prefix);
    await sink.write(structure);
    await sink.pad();
    for (const { values } of checkpoint.tensors) {
      await sink.write(bytesOf(values));
      await sink.pad();
    }
    await sink.end();
  };
  await writeWhole(path, what, content, { isRegular: true });
}

/** Reads a checkpoint with all values. Throws a {@link UsageError} if the file is missing,
 * truncated, damaged or not a checkpoint. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  return (await openCheckpoint(path)).load();
}

/** Reads and checks the structure of a checkpoint; values are read on demand. Throws a {@link
 * UsageError}. */
export async function openCheckpoint(path: string): Promise<CheckpointFile> {
  const what = `checkpoint ${path}`;
  return withRegularFile(path, what, async (file, size) => {
    const prefix = await readSome(file, 0, Math.min(size, PREFIX_BYTES));
    if (isVersion1(prefix)) return loaded(await readVersion1(what, file));
    if (!prefix.subarray(0, MAGIC.length).equals(MAGIC)) throw notOne(what, prefix);
    return streamed(path, what, await readHead(what, file, { prefix, size }));
  });
}

/** A file of version 2, read on demand. */
function streamed(path: string, what: string, head: CheckpointHead): CheckpointFile {
  const readInto = (arrays: readonly Values[]): Promise<void> =>
    withRegularFile(path, what, (file, size) => readValues(what, file, { head, size, arrays }));
  return {
    head,
    async load() {
      const tensors = head.tensors.map(({ type, ...tensor }) => {
        const length = sizeOf(tensor.shape);
        const values = type === 'f32' ? new Float32Array(length) : new Float64Array(length);
        return { ...tensor, values };
      });
      await readInto(tensors.map(({ values }) => values));
      return { ...head, tensors };
    },
    readInto,
  };
}

/** A checkpoint in memory, where files of version 1 are loaded as a whole. */
export function loaded(checkpoint: Checkpoint): CheckpointFile {
  return {
    head: headOf(checkpoint),
    load: async () => checkpoint,
    readInto: async (arrays) => {
      for (const [i, { values }] of checkpoint.tensors.entries()) arrays[i]!.set(values);
    },
  };
}

async function readHead(
  what: string,
  file: FileHandle,
  { prefix, size }: { readonly prefix: Buffer; readonly size: number },
): Promise<CheckpointHead> {
  if (prefix.length < PREFIX_BYTES) throw notWhole(what, `${size} bytes`);
  const version = prefix.readUInt32LE(8);
  if (version !== VERSION) {
    throw new UsageError({
      what,
      given: `version ${version}`,
      allowed: `a checkpoint of version 1 or ${VERSION}`,
      hint: 'the version of syncbn that wrote it',
    });
  }
  const length = prefix.readUInt32LE(12);
  if (PREFIX_BYTES + length > size) throw notWhole(what, `${size} bytes`);
  const head = checkHead(what, decodeBounded(what, await readSome(file, PREFIX_BYTES, length)));
  const expected = sizeOfFile(length, head.tensors);
  if (expected !== size) throw notWhole(what, `${size} bytes instead of ${expected}`);
  return head;
}

async function readValues(
  what: string,
  file: FileHandle,
  read: {
    readonly head: CheckpointHead;
    readonly size: number;
    readonly arrays: readonly Values[];
  },
): Promise<void> {
  const { head, size, arrays } = read;
  const source = new HashedSource(what, file);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  await source.read(prefix);
  const length = prefix.readUInt32LE(12);
  if (sizeOfFile(length, head.tensors) !== size) throw notWhole(what, 'another file than before');
  await source.skip(paddedEnd(PREFIX_BYTES + length) - PREFIX_BYTES);
  for (const [i, { name, type, shape }] of head.tensors.entries()) {
    const values = arrays[i];
    if (values === undefined || values.length !== sizeOf(shape)) {
      throw new InvariantError(`array for ${name}`, values?.length, sizeOf(shape));
    }
    if ((type === 'f32') !== values instanceof Float32Array) {
      throw new InvariantError(`array for ${name}`, values.constructor.name, type);
    }
    await source.read(bytesOf(values));
    await source.skip(paddedEnd(values.byteLength) - values.byteLength);
  }
  await source.checkEnd();
}

/** The error for a file that is not a checkpoint, with what the file seems to be. */
function notOne(what: string, prefix: Buffer): UsageError {
  if (prefix.equals(MAGIC.subarray(0, prefix.length)))
    return notWhole(what, `${prefix.length} bytes`);
  const text = prefix.toString('latin1').trimStart();
  const isJson = text.startsWith('{') || text.startsWith('[');
  return new UsageError({
    what,
    given: isJson ? 'a JSON file' : 'another kind of file',
    allowed: 'a checkpoint',
    hint: isJson
      ? 'a file that --checkpoint wrote; models belong in --model'
      : 'a file that syncbn wrote',
  });
}

function notWhole(what: string, given: string): UsageError {
  return new UsageError({
    what,
    given,
    allowed: 'a whole checkpoint',
    hint: 'an earlier checkpoint; this one is truncated or damaged',
  });
}

function sizeOfFile(structureBytes: number, tensors: readonly TensorHead[]): number {
  const values = tensors.map(({ type, shape }) => sizeOf(shape) * (type === 'f32' ? 4 : 8));
  const start = paddedEnd(PREFIX_BYTES + structureBytes);
  return values.reduce((sum, bytes) => sum + paddedEnd(bytes), start) + DIGEST_BYTES;
}

function paddedEnd(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** The values as bytes. All supported machines are little-endian. */
function bytesOf(values: Values): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Writes and hashes in chunks. Values may be in shared memory, which neither the file nor the hash
 * accepts, so they go through a buffer of one chunk. */
class HashedSink {
  private readonly file: FileHandle;
  private readonly hash: Hash = createHash('sha256');
  private readonly chunk = Buffer.alloc(CHUNK_BYTES);
  private used = 0;
  private written = 0;

  constructor(file: FileHandle) {
    this.file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      const count = Math.min(bytes.length - from, CHUNK_BYTES - this.used);
      this.chunk.set(bytes.subarray(from, from + count), this.used);
      this.used += count;
      from += count;
      if (this.used === CHUNK_BYTES) await this.flush();
    }
  }

  async pad(): Promise<void> {
    const at = this.written + this.used;
    await this.write(new Uint8Array(paddedEnd(at) - at));
  }

  async end(): Promise<void> {
    await this.flush();
    await writeAll(this.file, this.hash.digest());
  }

  private async flush(): Promise<void> {
    const bytes = this.chunk.subarray(0, this.used);
    this.hash.update(bytes);
    await writeAll(this.file, bytes);
    this.written += this.used;
    this.used = 0;
  }
}

/** Reads and hashes in chunks, in order. */
class HashedSource {
  private readonly what: string;
  private readonly file: FileHandle;
  private readonly hash: Hash = createHash('sha256');
  private readonly chunk = Buffer.alloc(CHUNK_BYTES);
  private position = 0;

  constructor(what: string, file: FileHandle) {
    this.what = what;
    this.file = file;
  }

  async read(into: Uint8Array): Promise<void> {
    for (let from = 0; from < into.length; ) {
      const bytes = await this.next(into.length - from);
      into.set(bytes, from);
      from += bytes.length;
    }
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) left -= (await this.next(left)).length;
  }

  /** Reads the digest and compares it. */
  async checkEnd(): Promise<void> {
    const expected = await readSome(this.file, this.position, DIGEST_BYTES);
    if (this.hash.digest().equals(expected)) return;
    throw notWhole(this.what, 'content that does not match its checksum');
  }

  private async next(most: number): Promise<Buffer> {
    const length = Math.min(most, CHUNK_BYTES);
    const { bytesRead } = await this.file.read(this.chunk, 0, length, this.position);
    if (bytesRead === 0) throw notWhole(this.what, `${this.position} bytes`);
    this.position += bytesRead;
    const bytes = this.chunk.subarray(0, bytesRead);
    this.hash.update(bytes);
    return bytes;
  }
}
