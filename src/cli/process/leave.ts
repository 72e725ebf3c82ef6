// The end of the process. Node gives terminals back their modes when it ends, and dies of a signal
// where a terminal is gone; it leaves alone what is closed.

import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';

const terminals = [0, 1, 2].filter((fd) => isatty(fd));

/** Ends the process with an exit code. */
export function leave(code: number): never {
  for (const fd of terminals) {
    // What was a terminal and is none any more has hung up.
    if (!isatty(fd)) closeSync(fd);
  }
  process.exit(code);
}
