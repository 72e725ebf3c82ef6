// NumPy's .npy files (format versions 1 to 3, documented in numpy/lib/format.py): numbers and bools
// of any size and byte order, no pickles.

import { readDataFile, trailing, truncated } from '../formats/files.ts';
import { fromFortranOrder, itemBytes, type Numbers, numbersFrom } from '../formats/numbers.ts';
import { type NpyHeader, parseNpyHeader } from './npy-header.ts';

/** The contents of a .npy file; `values` are in C order. Wider integers were checked to fit
 * int32. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly values: Numbers;
}

/** Parses a .npy file; `file` is for messages. Throws a UsageError for anything but numbers and
 * bools, an invalid header, or a length that does not match it. */
export function parseNpy(bytes: Uint8Array, file: string): NpyArray {
  const header = parseNpyHeader(bytes, file);
  const { dtype, isBigEndian, isFortran, shape, dataOffset } = header;
  // Compared before anything is allocated: a header cannot ask for more than the file has.
  const wantedBytes = fileBytes(header);
  if (bytes.length < wantedBytes) throw truncated(file, bytes.length, wantedBytes);
  if (bytes.length > wantedBytes) throw trailing(file, bytes.length, wantedBytes);
  const values = numbersFrom(bytes.subarray(dataOffset), dtype, { isBigEndian, file });
  return { shape, values: isFortran ? fromFortranOrder(values, shape) : values };
}

/** Reads a .npy file. Throws a UsageError. */
export async function readNpy(file: string): Promise<NpyArray> {
  return parseNpy(await readDataFile(file, (head) => npyWantedBytes(head, file)), file);
}

/** The file length according to the header. */
function npyWantedBytes(head: Uint8Array, file: string): number {
  return fileBytes(parseNpyHeader(head, file));
}

function fileBytes({ dtype, shape, dataOffset }: NpyHeader): number {
  return dataOffset + shape.reduce((product, size) => product * size, 1) * itemBytes(dtype);
}
