#!/usr/bin/env node
// The command. Sets the exit code and lets the process end by itself, so that nothing is cut off.

import { EXIT_FAILED } from './failure.ts';
import { runCommand } from './program.ts';
import { screen, warn } from './screen.ts';
import { listenToSignals } from './signals.ts';

listenToSignals();
const code = await runCommand(process.argv);
const isWhole = screen.end();
if (!isWhole) warn('syncbn: stdout could not be written to its end.');
process.exitCode = isWhole || code !== 0 ? code : EXIT_FAILED;
