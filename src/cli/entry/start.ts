#!/usr/bin/env node
// What the shell runs. Who asks for the version waits for nothing else to be loaded; the command is
// main.ts.

import { writeSync } from 'node:fs';
import { packageVersion } from '../../base/version.ts';

const STDOUT = 1;

/** Says the version as the command does; false where stdout does not take it as it is. */
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
