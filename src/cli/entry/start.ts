#!/usr/bin/env node
// The file that the shell runs. A request for the version loads nothing else; the command is in
// main.ts.

import { writeSync } from 'node:fs';
import { packageVersion } from '../../base/version.ts';

const STDOUT = 1;

/** Prints the version like the command does; false if stdout does not accept it directly. */
function saysVersion(): boolean {
  const { platform, arch, version } = process;
  try {
    writeSync(STDOUT, `syncbn/${packageVersion()} ${platform}-${arch} node-${version}\n`);
    return true;
  } catch {
    return false;
  }
}

const [, , word, ...others] = process.argv;
const isVersion = others.length === 0 && (word === '--version' || word === '-v');
if (!isVersion || !saysVersion()) await import('./main.ts');
