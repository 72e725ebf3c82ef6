// Lines that go into a file while a run trains: a log, or stdout that is a file. A full disk does
// not end the run: lines that cannot be written wait, and are written as soon as that works again.
// What waits is bounded; where lines had to be given up, a line in their place says how many.

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { fileError } from '../../base/fileError.ts';
import { messageOf } from '../../base/showError.ts';

/** What waits for a full disk: an hour of progress, and little memory. */
const MAX_WAITING_BYTES = 2 ** 20;
const NEWLINE = 10;

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
  private readonly options: LineFileOptions;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  /** Lines that were given up since the last one that was written. */
  private missing = 0;
  private missingInAll = 0;
  /** Whether the first of what waits is the rest of a line that is in the file in part. */
  private isTorn = false;
  private isInTrouble = false;

  constructor(options: LineFileOptions) {
    this.options = options;
  }

  /** Takes a line, without its end. */
  write(line: string): void {
    this.push(line);
    this.flush();
  }

  /** Tries what waits for the last time. Returns how many lines the file does not have. */
  end(): number {
    this.flush();
    return this.missingInAll + this.waiting.length;
  }

  private push(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    const first = this.isTorn ? 1 : 0;
    while (this.waitingBytes > MAX_WAITING_BYTES && this.waiting.length > first + 1) {
      const [given] = this.waiting.splice(first, 1);
      this.waitingBytes -= given!.length;
      this.missing++;
      this.missingInAll++;
    }
  }

  private flush(): void {
    try {
      while (this.waiting.length > 0) {
        if (this.missing > 0 && !this.isTorn) this.tellGap();
        const bytes = this.waiting[0]!;
        const written = writeSync(this.options.fd, bytes);
        this.waitingBytes -= written;
        this.isTorn = written < bytes.length;
        if (this.isTorn) this.waiting[0] = bytes.subarray(written);
        else this.waiting.shift();
      }
      this.isInTrouble = false;
    } catch (error) {
      if (!this.isInTrouble) this.options.onTrouble(messageOf(error));
      this.isInTrouble = true;
    }
  }

  private tellGap(): void {
    const line = Buffer.from(`${this.options.gapLine(this.missing)}\n`);
    this.waiting.unshift(line);
    this.waitingBytes += line.length;
    this.missing = 0;
  }
}

/** Opens a file to append lines to; a last line without its end, of a run that was killed, gets
 * one. Throws a UsageError when the system refuses. */
export function openLines(
  path: string,
  what: string,
): { readonly fd: number; readonly close: () => void } {
  try {
    const fd = openSync(path, 'a+');
    endLastLine(fd);
    return { fd, close: () => closeSync(fd) };
  } catch (error) {
    throw fileError(what, error, 'a file in a folder that can be written');
  }
}

function endLastLine(fd: number): void {
  const found = fstatSync(fd);
  if (!found.isFile() || found.size === 0) return;
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, found.size - 1);
  if (last[0] !== NEWLINE) writeSync(fd, '\n');
}
