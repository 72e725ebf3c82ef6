// Text tables (RFC 4180; commas, semicolons or tabs): a line of names, then one sample per line.
// One column is the target, all others are numbers. Missing values are errors, not guessed.

import { UsageError } from '../../base/errors.ts';
import { listed } from '../../base/show.ts';

export interface CsvOptions {
  /** The column to predict. Default: the one called label, target or class. */
  readonly target?: string;
  /** Columns to ignore. */
  readonly ignoreColumns?: readonly string[];
}

/** The contents of the target column. */
export interface CsvTargets {
  /** Undefined if some are text. */
  readonly numbers: Float64Array | undefined;
  /** The distinct texts, in order of first occurrence; undefined if there are too many to be
   * classes. */
  readonly texts: readonly string[] | undefined;
  /** Each sample's index among the texts. */
  readonly codes: Int32Array;
}

export interface CsvTable {
  readonly count: number;
  /** The names of the inputs, and of the target. */
  readonly columns: readonly string[];
  readonly target: string;
  /** [count, columns]. */
  readonly inputs: Float64Array;
  readonly targets: CsvTargets;
}

const TARGETS = ['label', 'target', 'class'];
const SEPARATORS = [',', ';', '\t'] as const;
const MAX_TEXTS = 65536;
/** Far more than any table of numbers has. A line is one string. */
const MAX_LINE_BYTES = 2 ** 24;
const [LINE_FEED, RETURN, QUOTE] = [0x0a, 0x0d, 0x22];
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Parses a table. `file` is for messages; `columns` are the inputs in the wanted order, by default
 * all in file order. Throws a {@link UsageError} that names line and column. */
export function parseCsv(
  bytes: Uint8Array,
  file: string,
  options: CsvOptions & { readonly columns?: readonly string[] } = {},
): CsvTable {
  const lines = linesOf(bytes, file);
  const first = lines.next();
  if (first.done === true) throw new UsageError({ what: file, problem: 'is empty' });
  const separator = separatorOf(first.value.text);
  const header = fieldsOf(first.value, separator, file).map((name) => name.trim());
  checkHeader(header, file);
  const places = placesOf(header, options, file);
  const rows = new Rows(bytes, places, header, file);
  for (const line of lines) {
    if (line.text.trim() !== '') rows.add(line, fieldsOf(line, separator, file));
  }
  return rows.table();
}

interface Line {
  readonly text: string;
  /** Counted from 1. */
  readonly number: number;
}

/** The lines of a file; a quoted field may span several. */
function* linesOf(given: Uint8Array, file: string): Generator<Line> {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  const isWide = bytes[0] === 0xff || bytes[0] === 0xfe || bytes.subarray(0, 64).includes(0);
  if (isWide) {
    throw new UsageError({ what: file, given: 'another encoding', allowed: 'text in UTF-8' });
  }
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  let start = hasMark ? 3 : 0;
  let number = 1;
  while (start < bytes.length) {
    const { end, breaks } = lineEnd(bytes, start);
    if (end - start > MAX_LINE_BYTES) {
      const allowed = `at most ${MAX_LINE_BYTES} bytes`;
      const given = `${end - start} bytes`;
      const hint = 'a quote that ends';
      throw new UsageError({ what: `line ${number} of ${file}`, given, allowed, hint });
    }
    const last = bytes[end - 1] === RETURN && end > start ? end - 1 : end;
    yield { text: bytes.toString('utf8', start, last), number };
    number += 1 + breaks;
    start = end + 1;
  }
}

/** The end of a line, and the number of quoted line breaks in it. */
function lineEnd(bytes: Buffer, start: number): { readonly end: number; readonly breaks: number } {
  const found = bytes.indexOf(LINE_FEED, start);
  const end = found < 0 ? bytes.length : found;
  const quote = bytes.subarray(start, end).indexOf(QUOTE);
  if (quote < 0) return { end, breaks: 0 };
  let isQuoted = false;
  let breaks = 0;
  for (let at = start + quote; at < bytes.length; at++) {
    if (bytes[at] === QUOTE) isQuoted = !isQuoted;
    if (bytes[at] !== LINE_FEED) continue;
    if (!isQuoted) return { end: at, breaks };
    breaks++;
  }
  return { end: bytes.length, breaks };
}

/** The separator between the names. */
function separatorOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const counts = SEPARATORS.map((separator) => bare.split(separator).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))]!;
}

function fieldsOf({ text, number }: Line, separator: string, file: string): readonly string[] {
  if (!text.includes('"')) return text.split(separator);
  const fields: string[] = [];
  for (let at = 0; at <= text.length; at++) {
    if (text[at] !== '"') {
      const next = text.indexOf(separator, at);
      const end = next < 0 ? text.length : next;
      fields.push(text.slice(at, end));
      at = end;
      continue;
    }
    const end = closingQuote(text, at + 1);
    if (end < 0 || (end + 1 < text.length && text[end + 1] !== separator)) {
      const given = end < 0 ? 'a quote without an end' : 'text after a quoted field';
      const allowed = 'quoted fields with their quotes doubled';
      throw new UsageError({ what: `line ${number} of ${file}`, given, allowed });
    }
    fields.push(text.slice(at + 1, end).replaceAll('""', '"'));
    at = end + 1;
  }
  return fields;
}

function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}

function checkHeader(header: readonly string[], file: string): void {
  if (header.every((name) => NUMBER.test(name))) {
    const allowed = 'the names of the columns';
    throw new UsageError({ what: `the first line of ${file}`, given: header, allowed });
  }
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice === undefined) return;
  const given = `${JSON.stringify(twice)} twice`;
  throw new UsageError({ what: `columns of ${file}`, given, allowed: 'a name for each' });
}

interface Places {
  readonly inputs: readonly number[];
  readonly target: number;
}

function placesOf(
  header: readonly string[],
  { target, ignoreColumns = [], columns }: CsvOptions & { readonly columns?: readonly string[] },
  file: string,
): Places {
  const placeOf = (name: string): number => {
    const place = header.indexOf(name);
    if (place >= 0) return place;
    const what = `column ${JSON.stringify(name)} of ${file}`;
    throw new UsageError({ what, given: 'none', allowed: `one of ${header.join(', ')}` });
  };
  const targetPlace = target === undefined ? likelyTarget(header, file) : placeOf(target);
  const ignored = new Set(ignoreColumns.map(placeOf));
  const others = header.flatMap((_, i) => (i === targetPlace || ignored.has(i) ? [] : [i]));
  const inputs = columns === undefined ? others : columns.map(placeOf);
  const unknown = others.find((place) => !inputs.includes(place));
  if (inputs.length > 0 && unknown === undefined && !ignored.has(targetPlace)) {
    return { inputs, target: targetPlace };
  }
  throw new UsageError({
    what: `columns of ${file}`,
    given: header.join(', '),
    allowed:
      columns === undefined
        ? 'a target and at least one other column'
        : `${columns.join(', ')}, like the training data`,
  });
}

function likelyTarget(header: readonly string[], file: string): number {
  const found = header.flatMap((name, i) => (TARGETS.includes(name.toLowerCase()) ? [i] : []));
  if (found.length === 1) return found[0]!;
  throw new UsageError({
    what: `the target among the columns of ${file}`,
    given: header.join(', '),
    allowed: `the name of one of them, since none is called ${TARGETS.join(' or ')}`,
    hint: `--target ${header.at(-1)}, or openDataset(file, { target: '${header.at(-1)}' })`,
  });
}

/** The values of the lines so far. */
class Rows {
  private readonly places: Places;
  private readonly header: readonly string[];
  private readonly file: string;
  private readonly inputs: Float64Array;
  private readonly numbers: Float64Array;
  private readonly codes: Int32Array;
  private readonly texts = new Map<string, number>();
  private count = 0;
  private areNumbers = true;

  constructor(bytes: Uint8Array, places: Places, header: readonly string[], file: string) {
    this.places = places;
    this.header = header;
    this.file = file;
    // A line has at least one byte per field, so there are no more values than bytes.
    const mostRows = Math.ceil(bytes.length / header.length);
    this.inputs = new Float64Array(mostRows * places.inputs.length);
    this.numbers = new Float64Array(mostRows);
    this.codes = new Int32Array(mostRows);
  }

  add({ number }: Line, fields: readonly string[]): void {
    const { places, header, file } = this;
    if (fields.length !== header.length) {
      throw new UsageError({
        what: `line ${number} of ${file}`,
        given: `${fields.length} fields`,
        allowed: `${header.length}, one for each column`,
      });
    }
    let at = this.count * places.inputs.length;
    for (const place of places.inputs) {
      const text = fields[place]!.trim();
      if (!NUMBER.test(text)) throw this.notNumber(number, place, text);
      this.inputs[at++] = Number(text);
    }
    this.addTarget(number, fields[places.target]!.trim());
    this.count++;
  }

  table(): CsvTable {
    const { places, header, count, texts } = this;
    return {
      count,
      columns: places.inputs.map((place) => header[place]!),
      target: header[places.target]!,
      inputs: this.inputs.slice(0, count * places.inputs.length),
      targets: {
        numbers: this.areNumbers ? this.numbers.slice(0, count) : undefined,
        texts: texts.size > MAX_TEXTS ? undefined : [...texts.keys()],
        codes: this.codes.slice(0, count),
      },
    };
  }

  private addTarget(line: number, text: string): void {
    if (text === '') throw this.notNumber(line, this.places.target, text);
    const isNumber = NUMBER.test(text);
    this.areNumbers &&= isNumber;
    this.numbers[this.count] = isNumber ? Number(text) : 0;
    if (this.texts.size > MAX_TEXTS) return;
    let code = this.texts.get(text);
    if (code === undefined) {
      code = this.texts.size;
      this.texts.set(text, code);
    }
    this.codes[this.count] = code;
  }

  private notNumber(line: number, place: number, text: string): UsageError {
    const name = this.header[place]!;
    const isTarget = place === this.places.target;
    return new UsageError({
      what: `column ${JSON.stringify(name)} in line ${line} of ${this.file}`,
      given: text,
      allowed: isTarget ? 'a number or the name of a class' : 'a number',
      ...(!isTarget && {
        hint:
          text === ''
            ? `filling in missing values, or --ignore-columns ${listed([name])}`
            : `--ignore-columns ${listed([name])}, or columns of 0 and 1 for its values`,
      }),
    });
  }
}
