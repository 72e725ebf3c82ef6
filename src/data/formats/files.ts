// Reads the files of a dataset folder. Every problem with a file or folder on disk becomes a
// UsageError that names it; sizes are bounded before anything is read or unpacked.

import { open, readdir, readFile, stat } from 'node:fs/promises';
import { constants, gunzipSync } from 'node:zlib';
import { UsageError } from '../../base/errors.ts';
import { showBytes } from '../../memory/layout.ts';

/** The most that Node reads at once, and far above what fits into one arena with a model. */
export const MAX_FILE_BYTES = 2 ** 31 - 1;
const GZIP_MAGIC_0 = 0x1f;
const GZIP_MAGIC_1 = 0x8b;
/** Enough of a packed file to contain the header. It unpacks to at most 1032 times as much. */
const PACKED_HEAD_BYTES = 4096;
const NAMES_SHOWN = 12;

/** The total size of a file, judging by its first bytes; undefined if they do not tell. */
export type WantedBytes = (head: Uint8Array) => number | undefined;

/** The bytes of a file. gzip is recognized by its first two bytes and unpacked up to the size from
 * `wanted`. Throws a UsageError if the file is missing, not a file, not readable, too large or not
 * a whole gzip stream. */
export async function readDataFile(path: string, wanted: WantedBytes): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (!found.isFile()) {
      throw new UsageError({ what: path, given: 'something else', allowed: 'a regular file' });
    }
    if (found.size > MAX_FILE_BYTES) throw tooLarge(path, showBytes(found.size));
    return unpack(plainView(await readFile(path)), path, wanted);
  } catch (error) {
    throw asUsageError(error, path, 'a file that can be read');
  }
}

/** The first bytes of a file, at most `count`. Throws a UsageError if it is missing or not
 * readable. */
export async function readHead(path: string, count: number): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(count), 0, count, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw asUsageError(error, path, 'a file that can be read');
  }
}

/** The bytes themselves, or the contents if they are a gzip stream. The beginning is unpacked first
 * and determines the size of the whole, so that a small file cannot fill the memory. If it does
 * not, only the beginning is returned, and the parser reports the problem. */
export function unpack(bytes: Uint8Array, path: string, wanted: WantedBytes): Uint8Array {
  if (bytes[0] !== GZIP_MAGIC_0 || bytes[1] !== GZIP_MAGIC_1) return bytes;
  let limit = MAX_FILE_BYTES;
  try {
    const start = bytes.subarray(0, PACKED_HEAD_BYTES);
    const head = gunzipSync(start, { finishFlush: constants.Z_SYNC_FLUSH });
    const total = wanted(head);
    if (total === undefined && start.length < bytes.length) return plainView(head);
    limit = Math.min(Math.max(total ?? head.length, 1), MAX_FILE_BYTES);
    return plainView(gunzipSync(bytes, { maxOutputLength: limit }));
  } catch (error) {
    if (codeOf(error) !== 'ERR_BUFFER_TOO_LARGE') {
      throw asUsageError(error, path, 'a whole gzip stream (it may be truncated)');
    }
    const given = 'more bytes when unpacked';
    throw new UsageError({ what: path, given, allowed: `the ${limit} that its header says` });
  }
}

/** The names in a folder, sorted. Throws a UsageError if it is not a readable folder. */
export async function listFolder(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (error) {
    throw asUsageError(error, dir, 'a folder that can be read');
  }
}

/** Names for a message: the first few, and how many more there are. */
export function showNames(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  const more = names.length - NAMES_SHOWN;
  return names.slice(0, NAMES_SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** The error of a truncated file. `wanted` is the total size according to its header. */
export function truncated(file: string, found: number, wanted: number | string): UsageError {
  return new UsageError({
    what: `${file} is truncated`,
    given: `${found} bytes`,
    allowed: typeof wanted === 'string' ? wanted : `exactly ${wanted} bytes`,
    hint: 'download the file again',
  });
}

/** The error of a file with trailing bytes. */
export function trailing(file: string, found: number, wanted: number): UsageError {
  return new UsageError({
    what: `${file} has trailing bytes`,
    given: `${found} bytes`,
    allowed: `exactly ${wanted} bytes`,
    hint: 'download the file again',
  });
}

function tooLarge(path: string, given: string): UsageError {
  return new UsageError({ what: path, given, allowed: `at most ${showBytes(MAX_FILE_BYTES)}` });
}

/** A Buffer without Buffer's own methods: its `slice` does not copy, unlike Uint8Array's. */
function plainView(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The error code from the system or zlib; undefined for all other errors. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Errors of the system or zlib about a file are the caller's to fix; all others stay unchanged. */
function asUsageError(error: unknown, path: string, allowed: string): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const given = code === 'ENOENT' ? 'nothing there (ENOENT)' : code;
  return new UsageError({ what: path, given, allowed });
}
