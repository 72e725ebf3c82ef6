// Zip archives (PKWARE's APPNOTE 6.3) as NumPy writes them: stored or deflated entries of less than
// 4 GB. Sizes in the archive bound what is unpacked, and checksums are compared.

import { crc32, inflateRawSync } from 'node:zlib';
import { UsageError } from '../../base/errors.ts';
import { codeOf, MAX_FILE_BYTES } from '../formats/files.ts';

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Size of its contents, unpacked. */
  readonly bytes: number;
  readonly packedBytes: number;
  readonly isDeflated: boolean;
  readonly checksum: number;
  /** Offset of its own header. */
  readonly offset: number;
}

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const CENTRAL_SIGNATURE = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;

/** The entries of an archive; `file` is for messages. Throws a {@link UsageError} for anything but
 * a whole archive. */
export function zipEntries(bytes: Uint8Array, file: string): readonly ZipEntry[] {
  const view = viewOf(bytes);
  const end = findEnd(view);
  if (end === undefined) throw broken(file, 'no list of its contents');
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  const entries = new Map<string, ZipEntry>();
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > end || view.getUint32(at, true) !== CENTRAL_SIGNATURE) {
      throw broken(file, `${i} of ${count} entries in its list`);
    }
    const entry = centralEntry(view, at, end, file);
    if (entries.has(entry.name)) throw broken(file, `two entries ${JSON.stringify(entry.name)}`);
    entries.set(entry.name, entry);
    const lengths = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    at += lengths.reduce((sum, length) => sum + length, CENTRAL_BYTES);
  }
  return [...entries.values()];
}

/** The contents of an entry. Throws a {@link UsageError} if they do not match the archive's
 * list. */
export function unzip(bytes: Uint8Array, entry: ZipEntry, file: string): Uint8Array {
  const packed = packedBytesOf(bytes, entry, file);
  const contents = entry.isDeflated ? inflated(packed, entry, file) : packed;
  if (contents.length !== entry.bytes) {
    throw broken(file, `${contents.length} bytes in ${entry.name} instead of ${entry.bytes}`);
  }
  if (crc32(contents) === entry.checksum) return contents;
  throw broken(file, `a wrong checksum for ${entry.name}`);
}

/** Offset of the record that ends an archive, which a comment may follow. */
function findEnd(view: DataView): number | undefined {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT_BYTES); at--) {
    if (view.getUint32(at, true) !== END_SIGNATURE) continue;
    if (at + END_BYTES + view.getUint16(at + 20, true) === view.byteLength) return at;
  }
  return undefined;
}

function centralEntry(view: DataView, at: number, end: number, file: string): ZipEntry {
  const nameBytes = view.getUint16(at + 28, true);
  if (at + CENTRAL_BYTES + nameBytes > end) throw broken(file, 'a truncated name in its list');
  const name = new TextDecoder('latin1').decode(
    new Uint8Array(view.buffer, view.byteOffset + at + CENTRAL_BYTES, nameBytes),
  );
  const flags = view.getUint16(at + 8, true);
  const method = view.getUint16(at + 10, true);
  if ((flags & ENCRYPTED) !== 0) throw broken(file, `${name}, which is encrypted`);
  if (method !== STORED && method !== DEFLATED) {
    throw broken(file, `${name}, which is packed by method ${method}`);
  }
  const bytes = view.getUint32(at + 24, true);
  if (bytes > MAX_FILE_BYTES) throw broken(file, `${name} of ${bytes} bytes`);
  return {
    name,
    bytes,
    packedBytes: view.getUint32(at + 20, true),
    isDeflated: method === DEFLATED,
    checksum: view.getUint32(at + 16, true),
    offset: view.getUint32(at + 42, true),
  };
}

function packedBytesOf(bytes: Uint8Array, entry: ZipEntry, file: string): Uint8Array {
  const { name, offset, packedBytes } = entry;
  const view = viewOf(bytes);
  const isThere = offset + LOCAL_BYTES <= bytes.length;
  if (!isThere || view.getUint32(offset, true) !== LOCAL_SIGNATURE) {
    throw broken(file, `no ${name} where its list says`);
  }
  const lengths = [26, 28].map((field) => view.getUint16(offset + field, true));
  const start = lengths.reduce((sum, length) => sum + length, offset + LOCAL_BYTES);
  if (start + packedBytes > bytes.length) throw broken(file, `a cut ${name}`);
  return bytes.subarray(start, start + packedBytes);
}

function inflated(packed: Uint8Array, entry: ZipEntry, file: string): Uint8Array {
  try {
    // zlib does not accept a limit of zero.
    return inflateRawSync(packed, { maxOutputLength: Math.max(entry.bytes, 1) });
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw broken(file, `${entry.name}, which cannot be unpacked (${code})`);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function broken(file: string, given: string): UsageError {
  return new UsageError({ what: file, given, allowed: 'a whole zip archive' });
}
