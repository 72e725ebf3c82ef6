#!/usr/bin/env node
// The command. Sets the exit code and lets the process end by itself, so that nothing is cut off.

import { runCommand } from './program.ts';

// A reader such as `head` may leave early; what is still to be said then has nobody to hear it.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}

process.exitCode = await runCommand(process.argv);
