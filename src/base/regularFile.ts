// Files that are read in parts: only regular files are opened; reads and writes are always
// complete.

import { constants, existsSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { UsageError } from './errors.ts';
import { readError } from './fileError.ts';

/** The most that is read, written or hashed at once, since Node's calls take less than 2 GiB. */
export const PIECE_BYTES = 2 ** 30;

/** Opens a regular file; a pipe or a device could block or never end. `what` names it in errors.
 * Throws a {@link UsageError} for anything else, or if the system refuses. */
export async function withRegularFile<T>(
  path: string,
  what: string,
  use: (file: FileHandle, size: number) => Promise<T>,
): Promise<T> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat();
    if (!stat.isFile()) {
      const given = stat.isDirectory() ? 'a folder' : 'a pipe, a socket or a device';
      throw new UsageError({ what, given, allowed: 'a regular file' });
    }
    return await use(file, stat.size);
  } catch (error) {
    throw readError(what, error, 'a readable file');
  } finally {
    await file?.close();
  }
}

/** Reads up to `length` bytes from a position on into new memory; fewer if the file ends before. */
export async function readSome(
  file: FileHandle,
  position: number,
  length: number,
  pieceBytes = PIECE_BYTES,
): Promise<Buffer<ArrayBuffer>> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const most = Math.min(length - done, pieceBytes);
    const { bytesRead } = await file.read(buffer, done, most, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

/** Writes all bytes at the current position of the file. */
export async function writeAll(
  file: FileHandle,
  bytes: Uint8Array,
  pieceBytes = PIECE_BYTES,
): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const most = Math.min(bytes.length - done, pieceBytes);
    done += (await file.write(bytes, done, most)).bytesWritten;
  }
}

/** Throws a {@link UsageError} if a file exists and is not empty. Devices are allowed. */
export function refuseExistingFile(path: string, what: string, hint: string): void {
  if (!existsSync(path)) return;
  const found = statSync(path);
  if (!found.isFile() || found.size === 0) return;
  throw new UsageError({ what, problem: 'would replace an existing file', hint });
}
