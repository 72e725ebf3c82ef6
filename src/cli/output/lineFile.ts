// Appends lines to a file during a run: a log, or stdout if it is a file. While a disk is full,
// lines wait (base/patientFile.ts).

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { fileError } from '../../base/fileError.ts';
import { PatientFile } from '../../base/patientFile.ts';

const NEWLINE = 10;
/** Enough for any header that this program writes. */
const MAX_FIRST_LINE_BYTES = 4096;

/** The run was successful, but a requested file is incomplete. */
export class IncompleteOutput extends Error {
  override readonly name = 'IncompleteOutput';
}

export interface LineFileOptions {
  readonly fd: number;
  /** Called with the reason, once each time that writing stops working. */
  readonly onTrouble: (reason: string) => void;
  /** The line that marks missing lines. */
  readonly gapLine: (lines: number) => string;
}

export class LineFile {
  private readonly file: PatientFile;

  constructor({ fd, onTrouble, gapLine }: LineFileOptions) {
    const gap = (lines: number): Uint8Array => bytesOf(gapLine(lines));
    this.file = new PatientFile({ fd, onTrouble, gap });
  }

  /** Writes a line, given without its line end. */
  write(line: string): void {
    this.file.write(bytesOf(line));
  }

  /** Tries to write waiting lines for the last time. Returns how many lines are missing. */
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
  /** The first line of its old content; undefined if it was empty, or is not a regular file. */
  readonly firstLine: string | undefined;
  readonly close: () => void;
}

/** Opens a file to append lines to. If its last line has no line end, because a run was killed, it
 * gets one. Throws a UsageError if the system refuses. */
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
