// Ends the process. On exit, Node restores terminal modes, and dies of a signal if a terminal is
// gone. It skips closed descriptors.

import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';

const terminals = [0, 1, 2].filter((fd) => isatty(fd));

/** Ends the process with an exit code. */
export function leave(code: number): never {
  for (const fd of terminals) {
    // A descriptor that was a terminal and no longer is has hung up.
    if (!isatty(fd)) closeSync(fd);
  }
  process.exit(code);
}
