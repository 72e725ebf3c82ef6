// The header of a safetensors file: JSON that gives each tensor's name, element type, shape and
// position. Files are untrusted, so everything is checked before anything is allocated: lengths,
// nesting, duplicate names, and ranges that overlap, leave gaps or exceed the file.

import { UsageError } from '../base/errors.ts';
import { isObject } from '../base/parse.ts';
import { showShape, sizeOf } from '../base/shape.ts';
import { ELEMENT_TYPES, type ElementName, isElementName } from './elementTypes.ts';

/** A tensor in a file. */
export interface TensorPlace {
  readonly name: string;
  readonly type: ElementName;
  /** Empty for a scalar. */
  readonly shape: readonly number[];
  /** Offset in bytes from the start of the values. */
  readonly begin: number;
  readonly end: number;
}

/** Describing a tensor takes about 100 bytes. */
export const MAX_HEADER_BYTES = 16 << 20;
const MAX_TENSORS = 65_536;
const MAX_AXES = 16;
/** Errors show names, so they must not be long. */
const MAX_NAME_LENGTH = 1000;
/** The objects and lists that describe one tensor. */
const PARTS_OF_TENSOR = 3;
/** The header, a tensor in it, and a list in the tensor. */
const MAX_DEPTH = 3;
/** White space that JSON allows between tokens. */
const SPACE = ' \t\n\r';
/** The header's field that is not a tensor. */
export const METADATA = '__metadata__';
const FIELDS = ['dtype', 'shape', 'data_offsets'];

/** The tensors that a header describes, by position. `what` names the file in errors; `dataBytes`
 * is the size of what follows the header. Throws a {@link UsageError}. */
export function parseHeader(
  what: string,
  bytes: Uint8Array,
  dataBytes: number,
): readonly TensorPlace[] {
  const header = parseJson(what, bytes);
  const places: TensorPlace[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === METADATA) checkMetadata(what, entry);
    else places.push(placeOf(`${what}, ${name}`, name, entry));
  }
  places.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkPlaces(what, places, dataBytes);
  return places;
}

function parseJson(what: string, bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw notAHeader(what, 'bytes that are not UTF-8');
  }
  if (!text.startsWith('{')) throw notAHeader(what, text.slice(0, 20));
  checkStructure(what, text);
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw notAHeader(what, (error as Error).message);
  }
  if (!isObject(header)) throw notAHeader(what, header);
  return header;
}

function notAHeader(what: string, given: unknown): UsageError {
  return new UsageError({
    what: `header of ${what}`,
    given,
    allowed: 'a JSON object that describes tensors',
    hint: 'a whole safetensors file',
  });
}

/** Checks the text before it is parsed: its nesting depth, and duplicate names in an object, since
 * JSON.parse would keep only one of them. */
function checkStructure(what: string, text: string): void {
  /** The names so far in each open object; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let countOpened = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === '{' || char === '[') {
      if (open.length === MAX_DEPTH) {
        throw notAHeader(what, `more than ${MAX_DEPTH} levels`);
      }
      if (countOpened++ > PARTS_OF_TENSOR * MAX_TENSORS) {
        throw notAHeader(what, `more than ${MAX_TENSORS} tensors`);
      }
      open.push(char === '{' ? new Set() : undefined);
    } else if (char === '}' || char === ']') open.pop();
    if (char !== '"') continue;
    const start = i;
    i = endOfString(text, start);
    const names = open.at(-1);
    let next = i + 1;
    while (SPACE.includes(text[next] ?? ':')) next++;
    if (names === undefined || text[next] !== ':') continue;
    const name = nameIn(what, text.slice(start, i + 1));
    if (name.length > MAX_NAME_LENGTH) {
      throw notAHeader(what, `a name of ${name.length} characters`);
    }
    if (names.has(name)) {
      throw new UsageError({
        what: `header of ${what}`,
        problem: `has ${JSON.stringify(name)} twice`,
        hint: 'a file that safetensors wrote',
      });
    }
    names.add(name);
  }
}

/** The end of the string that starts at a quote: its closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
  }
  return text.length;
}

function nameIn(what: string, quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw notAHeader(what, 'a name that is not a JSON string');
  }
}

function checkMetadata(what: string, given: unknown): void {
  if (isObject(given) && Object.values(given).every((value) => typeof value === 'string')) return;
  throw new UsageError({
    what: `${METADATA} of ${what}`,
    given,
    allowed: 'an object of strings',
  });
}

function placeOf(what: string, name: string, entry: unknown): TensorPlace {
  if (!isObject(entry) || Object.keys(entry).some((field) => !FIELDS.includes(field))) {
    throw new UsageError({ what, given: entry, allowed: `an object of ${FIELDS.join(', ')}` });
  }
  const { dtype: type, shape, data_offsets: offsets } = entry;
  if (!isElementName(type)) {
    const allowed = Object.keys(ELEMENT_TYPES).join(', ');
    throw new UsageError({ what: `dtype of ${what}`, given: type, allowed });
  }
  if (!isCounts(shape) || shape.length > MAX_AXES) {
    const allowed = `at most ${MAX_AXES} whole numbers from 0 on`;
    throw new UsageError({ what: `shape of ${what}`, given: shape, allowed });
  }
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    const allowed = 'two whole numbers from 0 on, the second not smaller than the first';
    throw new UsageError({ what: `data_offsets of ${what}`, given: offsets, allowed });
  }
  const [begin, end] = offsets as [number, number];
  const expected = sizeOf(shape) * ELEMENT_TYPES[type].bytes;
  if (end - begin !== expected) {
    throw new UsageError({
      what: `data_offsets of ${what}`,
      given: `${end - begin} bytes`,
      allowed: `${expected}, for ${type} of shape ${showShape(shape) || '[]'}`,
    });
  }
  return { name, type, shape, begin, end };
}

function isCounts(given: unknown): given is number[] {
  return Array.isArray(given) && given.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** Checks that tensors follow each other without overlaps or gaps, up to the end. */
function checkPlaces(what: string, places: readonly TensorPlace[], dataBytes: number): void {
  let at = 0;
  let before = 'the first tensor';
  for (const { name, begin, end } of places) {
    if (begin !== at) {
      const problem = begin < at ? 'overlap' : 'leave a hole';
      throw new UsageError({
        what: `${what}, ${before} and ${name}`,
        problem: `${problem}: bytes ${at} and ${begin}`,
        hint: 'a file that safetensors wrote',
      });
    }
    at = end;
    before = name;
  }
  if (at === dataBytes) return;
  throw new UsageError({
    what,
    given: `${dataBytes} bytes of values`,
    allowed: `${at}, according to its header`,
    hint:
      at > dataBytes ? 'the whole file; this one is truncated' : 'the file without trailing bytes',
  });
}
