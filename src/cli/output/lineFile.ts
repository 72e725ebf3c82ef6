// Lines that go into a file while a run trains: a log, or stdout that is a file. While a disk is
// full they wait (base/patientFile.ts).

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { fileError } from '../../base/fileError.ts';
import { PatientFile } from '../../base/patientFile.ts';

const NEWLINE = 10;
/** Enough for any header of ours. */
const MAX_FIRST_LINE_BYTES = 4096;

/** The run did what it was to do, but a file that was asked for is not whole. */
export class IncompleteOutput extends Error {
  override readonly name = 'IncompleteOutput';
}

export interface LineFileOptions {
  readonly fd: number;
  /** Says, once for each time that writing stops working, why. */
  readonly onTrouble: (reason: string) => void;
  /** The line that stands where lines are missing. */
  readonly gapLine: (lines: number) => string;
}

export class LineFile {
  private readonly file: PatientFile;

  constructor({ fd, onTrouble, gapLine }: LineFileOptions) {
    const gap = (lines: number): Uint8Array => bytesOf(gapLine(lines));
    this.file = new PatientFile({ fd, onTrouble, gap });
  }

  /** Takes a line, without its end. */
  write(line: string): void {
    this.file.write(bytesOf(line));
  }

  /** Tries what waits for the last time. Returns how many lines the file does not have. */
  end(): number {
    return this.file.end();
  }
}

function bytesOf(line: string): Uint8Array {
  return Buffer.from(`${line}\n`);
}

/** A file that lines are appended to. */
export interface OpenLines {
  readonly fd: number;
  /** The start of what it held before; undefined where it was empty, or is no regular file. */
  readonly firstLine: string | undefined;
  readonly close: () => void;
}

/** Opens a file to append lines to; a last line without its end, of a run that was killed, gets
 * one. Throws a UsageError when the system refuses. */
export function openLines(path: string, what: string): OpenLines {
  try {
    const fd = openSync(path, 'a+');
    return { fd, firstLine: firstLineOf(fd), close: () => closeSync(fd) };
  } catch (error) {
    throw fileError(what, error, 'a file in a folder that can be written');
  }
}

function firstLineOf(fd: number): string | undefined {
  const found = fstatSync(fd);
  if (!found.isFile() || found.size === 0) return undefined;
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, found.size - 1);
  if (last[0] !== NEWLINE) writeSync(fd, '\n');
  const start = Buffer.alloc(Math.min(found.size, MAX_FIRST_LINE_BYTES));
  const length = readSync(fd, start, 0, start.length, 0);
  return start.toString('utf8', 0, length).split(/\r?\n/, 1)[0]!;
}
