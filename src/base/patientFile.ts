// Records that go into an open file while a run trains. A full disk does not end the run: records
// that cannot be written wait, and are written as soon as that works again. What waits is bounded;
// where records had to be given up, one in their place can say how many.

import { writeSync } from 'node:fs';
import { messageOf } from './showError.ts';

/** What waits for a full disk: an hour of progress, and little memory. */
const MAX_WAITING_BYTES = 2 ** 20;

export interface PatientFileOptions {
  readonly fd: number;
  /** Says, once for each time that writing stops working, why. */
  readonly onTrouble: (reason: string) => void;
  /** The record that stands where others are missing; none where it is undefined. */
  readonly gap?: ((records: number) => Uint8Array) | undefined;
}

export class PatientFile {
  private readonly options: PatientFileOptions;
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  /** Records that were given up since the last one that was written. */
  private missing = 0;
  private missingInAll = 0;
  /** Whether the first of what waits is the rest of a record that is in the file in part. */
  private isTorn = false;
  private isInTrouble = false;

  constructor(options: PatientFileOptions) {
    this.options = options;
  }

  write(record: Uint8Array): void {
    this.push(record);
    this.flush();
  }

  /** Tries what waits for the last time. Returns how many records the file does not have. */
  end(): number {
    this.flush();
    return this.missingInAll + this.waiting.length;
  }

  private push(record: Uint8Array): void {
    this.waiting.push(record);
    this.waitingBytes += record.length;
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
    const record = this.options.gap?.(this.missing);
    this.missing = 0;
    if (record === undefined) return;
    this.waiting.unshift(record);
    this.waitingBytes += record.length;
  }
}
