// Writes records to an open file while a run trains. A full disk does not end the run: records that
// cannot be written wait until writing works again. The memory for waiting records is limited. If
// records have to be dropped, one in their place can say how many.

import { writeSync } from 'node:fs';
import { messageOf } from './showError.ts';

/** The limit of waiting records: an hour of progress, and little memory. */
const MAX_WAITING_BYTES = 2 ** 20;

export interface PatientFileOptions {
  readonly fd: number;
  /** Called with the reason, once each time that writing stops working. */
  readonly onTrouble: (reason: string) => void;
  /** The record that replaces missing ones; none if undefined. */
  readonly gap?: ((records: number) => Uint8Array) | undefined;
}

export class PatientFile {
  private readonly options: PatientFileOptions;
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  /** Records dropped since the last one that was written. */
  private missing = 0;
  private missingInAll = 0;
  /** Whether the first waiting record is the rest of one that is partly in the file. */
  private isTorn = false;
  private isInTrouble = false;

  constructor(options: PatientFileOptions) {
    this.options = options;
  }

  write(record: Uint8Array): void {
    this.push(record);
    this.flush();
  }

  /** Tries to write the waiting records one last time. Returns how many records the file lacks. */
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
