// Checkpoints: everything that the rest of a run depends on, as MessagePack. Typed arrays are
// extension types with little-endian bytes. Written as a whole or not at all; what is read is
// bounded and checked before it is used.

import { readFile } from 'node:fs/promises';
import { decode, ExtensionCodec, encode } from '@msgpack/msgpack';
import { z } from 'zod';
import { UsageError } from '../base/errors.ts';
import { parseData } from '../base/parse.ts';
import { sizeOf } from '../base/shape.ts';
import { fileError, writeWhole } from '../base/wholeFile.ts';

const FORMAT = 'syncbn checkpoint';
const VERSION = 1;

/** Extension types of typed arrays. */
const EXTENSION_F32 = 1;
const EXTENSION_F64 = 2;

const codec = new ExtensionCodec();
codec.register({
  type: EXTENSION_F32,
  encode: (value) => (value instanceof Float32Array ? bytesOf(value) : null),
  decode: (bytes) => new Float32Array(copyBytes(bytes, 4)),
});
codec.register({
  type: EXTENSION_F64,
  encode: (value) => (value instanceof Float64Array ? bytesOf(value) : null),
  decode: (bytes) => new Float64Array(copyBytes(bytes, 8)),
});

const counts = z.number().int().nonnegative();
const shape = z.array(counts);
const task = z.union([
  z.strictObject({ kind: z.literal('classification'), classes: counts }),
  z.strictObject({ kind: z.literal('regression'), targetShape: shape }),
]);
const plainObject = z.looseObject({ kind: z.string() });

const schema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  model: plainObject,
  data: z.strictObject({
    name: z.string(),
    inputShape: shape,
    inputType: z.enum(['u8', 'f32']),
    task,
    mean: z.array(z.number()),
    std: z.array(z.number()),
    countTrain: counts,
    countTest: counts,
    checksum: counts,
    /** Absent in older files. */
    contentHash: z.string().exactOptional(),
  }),
  run: z.strictObject({
    loss: plainObject,
    optimizer: plainObject,
    schedule: plainObject,
    clipNorm: z.number().nullable(),
    replicas: counts,
    globalBatch: counts,
    dropLast: z.boolean(),
    shuffle: z.boolean(),
    augmentation: z.strictObject({ maxShift: counts, flip: z.boolean() }).nullable(),
    seed: counts,
    mode: z.enum(['fast', 'strict']),
  }),
  counters: z.strictObject({
    /** Optimizer steps done. */
    step: counts,
    /** Epochs that were to be done in all. */
    epochs: counts,
    /** Sums of the running epoch: loss, hits, samples, unused. */
    epochSums: z.array(z.number()).length(4),
  }),
  tensors: z.array(
    z.strictObject({
      name: z.string(),
      group: z.enum(['parameter', 'buffer', 'optimizer']),
      shape,
      values: z.union([z.instanceof(Float32Array), z.instanceof(Float64Array)]),
    }),
  ),
});

/** What a checkpoint holds. Specs are checked where they are used. */
export type Checkpoint = Omit<z.infer<typeof schema>, 'format' | 'version'>;

const objectSchema = schema.omit({ format: true, version: true });

/** A checkpoint that the caller made or changed, checked as one from a file is. */
export function checkCheckpoint(given: unknown): Checkpoint {
  return parseData(objectSchema, given, 'checkpoint');
}

/** Writes a checkpoint in one go: readers see the old file or the new one, never a part. Throws a
 * {@link UsageError} when the file cannot be written. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const bytes = encode(
    { format: FORMAT, version: VERSION, ...checkpoint },
    { extensionCodec: codec },
  );
  await writeWhole(path, `checkpoint to write, ${path}`, bytes);
}

/** Reads a checkpoint. Throws a {@link UsageError} when the file is missing, cut off or not one.
 * */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const what = `checkpoint ${path}`;
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(what, error, 'a readable file');
  }
  return parseCheckpoint(what, bytes);
}

/** Decodes and checks the bytes of a checkpoint; `what` names them in errors. */
export function parseCheckpoint(what: string, bytes: Uint8Array): Checkpoint {
  let decoded: unknown;
  try {
    // The file's own size bounds every length in it.
    const limit = bytes.length;
    decoded = decode(bytes, {
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
  const parsed = schema.safeParse(decoded);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UsageError({
      what,
      given: `something else: ${issue?.path.join('.')} ${issue?.message}`,
      allowed: `a checkpoint of version ${VERSION}`,
      hint: 'a file that syncbn wrote',
    });
  }
  const { format: _format, version: _version, ...checkpoint } = parsed.data;
  for (const tensor of checkpoint.tensors) {
    if (sizeOf(tensor.shape) === tensor.values.length) continue;
    throw new UsageError({
      what: `${what}, ${tensor.name}`,
      given: `${tensor.values.length} values`,
      allowed: `${sizeOf(tensor.shape)}, as its shape says`,
    });
  }
  return checkpoint;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The values as bytes; all supported machines are little-endian. */
function bytesOf(values: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** A copy whose length is a whole number of elements: MessagePack's own may be unaligned. */
function copyBytes(bytes: Uint8Array, elementBytes: number): ArrayBuffer {
  if (bytes.length % elementBytes !== 0) {
    throw new RangeError(`${bytes.length} bytes are not whole numbers of ${elementBytes} bytes`);
  }
  const copy = new Uint8Array(bytes);
  return copy.buffer;
}
