// A disk that is small enough to fill on demand: a tmpfs of a few hundred kilobytes. Only root may
// mount one.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SIZE_BYTES = 1024 * 1024;

export interface SmallDisk {
  readonly folder: string;
  /** Fills the disk. */
  fill(): void;
  /** Frees the space again. */
  empty(): void;
  /** Removes everything. */
  clear(): void;
  close(): void;
}

/** Mounts the disk at a new folder; undefined if that is not allowed. */
export function openSmallDisk(folder: string): SmallDisk | undefined {
  mkdirSync(folder);
  const options = ['-t', 'tmpfs', '-o', `size=${SIZE_BYTES}`, 'tmpfs', folder];
  if (spawnSync('mount', options).status !== 0) return undefined;
  const filler = join(folder, 'filler');
  const empty = (): void => rmSync(filler, { force: true });
  const close = (): void => {
    spawnSync('umount', ['-l', folder]);
  };
  process.once('exit', close);
  return {
    folder,
    empty,
    fill() {
      try {
        writeFileSync(filler, Buffer.alloc(SIZE_BYTES));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    },
    clear() {
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
    },
    close() {
      process.off('exit', close);
      close();
    },
  };
}
