// The header of a .npy file: magic, version, length, and a Python dictionary with the keys descr,
// fortran_order and shape. Only that subset of Python is parsed; the values are parsed elsewhere.

import { UsageError } from '../../base/errors.ts';
import { truncated } from '../formats/files.ts';
import type { NumberType } from '../formats/numbers.ts';

export interface NpyHeader {
  readonly dtype: NumberType;
  readonly isBigEndian: boolean;
  /** Whether the first axis changes fastest rather than the last one. */
  readonly isFortran: boolean;
  /** Empty for a scalar. */
  readonly shape: readonly number[];
  /** Where the values begin. */
  readonly dataOffset: number;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const VERSION_OFFSET = 6;
const LENGTH_OFFSET = 8;
/** Far above what an array of numbers needs (about 100 bytes). */
const MAX_HEADER_BYTES = 65536;
const MAX_SIZE = 2 ** 31 - 1;
const MAX_AXES = 32;
const TEXT_SHOWN = 80;
const DTYPE = /^([<>=|]?)(b1|[uif][1248])$/;
const DTYPES = 'bool, uint8 to uint64, int8 to int64, float16, float32, float64';
/** One `'key': value` with its comma: a string, a boolean, a tuple or a list. */
const ENTRY = /\s*'(\w+)'\s*:\s*('[^']*'|True|False|\([^()]*\)|\[[^\]]*\])\s*(?:,\s*|(?=\}))/y;

/** Reads the header of a .npy file; `file` is for messages. Throws a UsageError for anything but an
 * array of numbers or bools. */
export function parseNpyHeader(bytes: Uint8Array, file: string): NpyHeader {
  const { start, length } = locate(bytes, file);
  const text = new TextDecoder('latin1').decode(bytes.subarray(start, start + length));
  const fields = readFields(text, file);
  const descr = fields.get('descr');
  const order = fields.get('fortran_order');
  const shapeText = fields.get('shape');
  if (descr === undefined || order === undefined || shapeText === undefined) {
    throw badHeader(file, text);
  }
  if (order !== 'True' && order !== 'False') throw badHeader(file, text);
  return {
    ...readDtype(descr, file),
    isFortran: order === 'True',
    shape: readShape(shapeText, file),
    dataOffset: start + length,
  };
}

function readDtype(descr: string, file: string): Pick<NpyHeader, 'dtype' | 'isBigEndian'> {
  const [, order, dtype] = DTYPE.exec(descr.slice(1, -1)) ?? [];
  if (dtype !== undefined && dtype !== 'f1') {
    return { dtype: dtype as NumberType, isBigEndian: order === '>' };
  }
  const hint = descr.includes('O')
    ? 'an array of numbers; object arrays are pickles, which are never read'
    : 'astype(np.float32) or np.uint8 for inputs, np.int64 for classes, before np.save';
  throw new UsageError({ what: `dtype of ${file}`, given: clip(descr), allowed: DTYPES, hint });
}

function locate(bytes: Uint8Array, file: string): { start: number; length: number } {
  const magic = bytes.subarray(0, MAGIC.length);
  if (!magic.every((byte, i) => byte === MAGIC[i])) {
    const hex = Array.from(magic, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new UsageError({
      what: `magic of ${file}`,
      given: hex,
      allowed: '93 4e 55 4d 50 59 (.npy)',
    });
  }
  const version = bytes[VERSION_OFFSET];
  const lengthBytes = version === 1 ? 2 : 4;
  const start = LENGTH_OFFSET + lengthBytes;
  if (version === undefined || bytes.length < start) {
    throw truncated(file, bytes.length, `a header of at least ${start} bytes`);
  }
  if (version < 1 || version > 3) {
    throw new UsageError({ what: `version of ${file}`, given: version, allowed: '1, 2, 3' });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, start);
  const length =
    version === 1 ? view.getUint16(LENGTH_OFFSET, true) : view.getUint32(LENGTH_OFFSET, true);
  if (length > MAX_HEADER_BYTES) {
    const allowed = `at most ${MAX_HEADER_BYTES} bytes`;
    throw new UsageError({ what: `header length of ${file}`, given: `${length} bytes`, allowed });
  }
  if (bytes.length < start + length) {
    throw truncated(file, bytes.length, `a header of ${start + length} bytes`);
  }
  return { start, length };
}

function readFields(text: string, file: string): Map<string, string> {
  const fields = new Map<string, string>();
  const body = text.trim();
  if (!body.startsWith('{')) throw badHeader(file, text);
  ENTRY.lastIndex = 1;
  let end = 1;
  for (let match = ENTRY.exec(body); match !== null; match = ENTRY.exec(body)) {
    fields.set(match[1]!, match[2]!);
    end = ENTRY.lastIndex;
  }
  if (body.slice(end) !== '}') throw badHeader(file, text);
  return fields;
}

/** Python writes (), (5,), (5, 3); Python 2 wrote (5L,). */
function readShape(text: string, file: string): number[] {
  const parts = text.startsWith('(') ? text.slice(1, -1).split(',') : ['not a tuple'];
  if (parts[parts.length - 1]!.trim() === '') parts.pop();
  const sizes = parts.map((part) => (/^\s*\d+L?\s*$/.test(part) ? Number.parseInt(part, 10) : -1));
  if (sizes.length <= MAX_AXES && sizes.every((size) => size >= 0 && size <= MAX_SIZE))
    return sizes;
  const allowed = `at most ${MAX_AXES} whole numbers from 0 to ${MAX_SIZE}`;
  throw new UsageError({ what: `shape of ${file}`, given: clip(text), allowed });
}

function badHeader(file: string, text: string): UsageError {
  const allowed = "a dictionary with 'descr', 'fortran_order' and 'shape'";
  return new UsageError({ what: `header of ${file}`, given: clip(text), allowed });
}

function clip(text: string): string {
  return text.length <= TEXT_SHOWN ? text : `${text.slice(0, TEXT_SHOWN)}...`;
}
